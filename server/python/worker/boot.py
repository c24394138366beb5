"""The first steps of a worker: what was handed over, and a process that is fit to
load an application."""
import faulthandler
import json
import os
import sys

from appd_worker import fit


def main():
    handed = os.environ.pop("APPD_HANDOFF", None)
    if handed is None:
        sys.exit("appd: this program is started by appd, not by hand")
    info = json.loads(handed)
    try:
        fit.check()
        if info["python"].get("worker_class") == "gevent":
            from appd_worker import gevent_worker

            gevent_worker.patch()
        work(handed, info)
    except fit.Refused as refused:
        from appd_worker import control, forked

        control.report_failure(info.get("control"), str(refused))
        forked.leave(3)


def work(handed, info):
    """Is the worker, or the preload process and then each of its workers."""
    from appd_worker import log, serve

    prepare(info)
    log.setup(info["python"].get("log_level", "info"))
    application = None
    if info["python"].get("preload"):
        from appd_worker import control, preload  # they need modules that a worker does not

        application = serve.load_application(info)
        handed = preload.serve_forks(control.Channel(info["control"]), info)
        if handed is None:
            return
        info.clear()
        info.update(json.loads(handed))
    serve.run(handed, info, application)


def prepare(info):
    """Makes paths, arguments, signals and crash reports what applications expect."""
    from appd_worker import forked

    python = info["python"]
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    for path in reversed(python.get("path") or []):
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)
    sys.argv = ["appd", python["app"]]
    faulthandler.enable()
    forked.ignore_stray()
    forked.keep_writing()
