"""Loggers. Those of gunicorn's names exist, because applications hook into them."""
import logging
import sys
import traceback

LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "critical": 50}
errors = logging.getLogger("gunicorn.error")
access = logging.getLogger("gunicorn.access")


class CurrentStderr(logging.StreamHandler):
    """Writes to whatever sys.stderr is at the time."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self):
        return sys.stderr


def setup(level):
    number = LEVELS.get(level, logging.INFO)
    for logger, line in ((errors, "[%(levelname)s] %(message)s"), (access, "%(message)s")):
        handler = CurrentStderr()
        handler.setFormatter(logging.Formatter(line))
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(number if logger is errors else logging.INFO)


def note(level, text):
    """A line of the server's own about a request."""
    number = LEVELS[level]
    if errors.disabled or not errors.handlers:
        if number >= logging.WARNING:
            print(text, file=sys.stderr)
    else:
        errors.log(number, "%s", text)


def failure(environ, kind, error, trace, shown):
    """The application raised. shown is None when its client had gone before."""
    if shown is None:
        return
    request = "%s %s" % (environ.get("REQUEST_METHOD", "?"), environ.get("REQUEST_URI", "?")) if environ else "a request"
    if errors.disabled or not errors.handlers:  # logging.config disables loggers it does not know
        print("error in %s" % request, file=sys.stderr)
        traceback.print_exception(kind, error, trace)
    else:
        errors.error("error in %s", request, exc_info=(kind, error, trace))
