"""Children that the application forks: ordinary processes of Python's, in which the
engine is off and appd's signal handlers are gone."""
import os
import signal
import sys

STRAY = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGINT")
handlers = {}  # of appd's, by signal


def handle(name, handler):
    """Installs a handler that children do not keep."""
    number, owner = getattr(signal, name), os.getpid()

    def handle_here(number, frame):
        if os.getpid() == owner:
            handler()
        else:  # a child so young that begin has not run
            restore(number)
            os.kill(os.getpid(), number)

    handlers[number] = handle_here
    signal.signal(number, handle_here)


def restore(number):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def ignore_stray():
    """Lets signals pass that were meant for the supervisor. A handler, not SIG_IGN:
    programs that the application starts must not inherit deafness."""
    for name in STRAY:
        handle(name, lambda: None)


def watch(engine):
    """Prepares every child that will be forked."""
    os.register_at_fork(after_in_child=lambda: begin(engine))


def begin(engine):
    """Runs in the child: Process.terminate() and a terminal's Ctrl-C work there."""
    engine.after_fork()
    for number, handler in handlers.items():
        if signal.getsignal(number) is handler:
            restore(number)


def end(kind, error, trace):
    """Ends a child that came back from the application: only the parent can answer.
    kind is None if the application returned, else what it raised."""
    status = 1
    if kind is None:
        print("a child that the application forked came back to the server, which ends it: it has to end by itself, with os._exit()", file=sys.stderr)
    elif not issubclass(kind, SystemExit):
        sys.excepthook(kind, error, trace)
    elif isinstance(error.code, int):
        status = error.code & 255
    elif error.code is None:
        status = 0
    else:
        print(error.code, file=sys.stderr)
    leave(status)


def leave(status):
    """Ends the process without waiting for threads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(status)
