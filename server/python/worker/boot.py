"""The first steps of a worker: what was handed over, and a process that is fit to
load an application."""
import faulthandler
import json
import os
import signal
import sys


def main():
    handed = os.environ.pop("APPD_HANDOFF", None)
    if handed is None:
        sys.exit("appd: this program is started by appd, not by hand")
    info = json.loads(handed)
    python = info["python"]
    if python.get("worker_class") == "gevent":
        from appd_worker import gevent_worker

        gevent_worker.patch()
    from appd_worker import control, log, preload, serve

    prepare(info)
    log.setup(python.get("log_level", "info"))
    try:
        if python.get("preload"):
            application = serve.load_application(info)
            handed = preload.serve_forks(control.Channel(info["control"]), info)
            if handed is None:
                return
            info = json.loads(handed)
            serve.run(handed, info, application)
        else:
            serve.run(handed, info)
    except serve.Refused as refused:
        control.report_failure(info.get("control"), str(refused))
        leave(3)


def prepare(info):
    """Makes paths, arguments, signals and crash reports what applications expect."""
    python = info["python"]
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    for path in reversed(python.get("path") or []):
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)
    sys.argv = ["appd", python["app"]]
    faulthandler.enable()
    for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGINT"):
        # A handler, not SIG_IGN: programs that the application starts must not
        # inherit deafness. Such a signal was meant for the supervisor.
        signal.signal(getattr(signal, name), lambda number, frame: None)


def leave(status):
    """Ends the process without waiting for threads of a half-loaded application."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(status)
