"""A worker's life: the engine, the application, ready, requests, the end."""
import faulthandler
import functools
import importlib.machinery
import importlib.util
import io
import json
import os
import signal
import sys
import threading

from appd_worker import forked, hooks, load, log, modules, orders, spew
from appd_worker.fit import Refused


def load_engine(path, release=None):
    loader = importlib.machinery.ExtensionFileLoader("appd_engine", path)
    spec = importlib.util.spec_from_loader("appd_engine", loader, origin=path)
    try:
        engine = importlib.util.module_from_spec(spec)
        loader.exec_module(engine)
    except ImportError as error:
        raise Refused("appd's engine cannot be loaded: %s" % error) from None
    if release and engine.version != release:
        raise Refused("%s is of version %s, and appd of %s: install both from one release" % (path, engine.version, release))
    sys.modules["appd_engine"] = engine
    return engine


def load_application(info):
    python = info["python"]
    if python.get("spew"):
        spew.install()
    try:
        return load.load(python["app"])
    except (Exception, SystemExit) as error:
        raise Refused(load.describe(error)) from None


def run(handed, info, application=None):
    """Serves until the worker has to leave; application is set after a preload."""
    engine = load_engine(info["python"]["engine"], info["python"].get("release"))
    forked.watch(engine)
    try:
        settings = json.loads(engine.start(handed))
    except RuntimeError as error:
        raise Refused(str(error)) from None
    engine.set_title("appd: worker %d gen %d [%s]" % (info["slot"], info["generation"], info["name"]))
    dumps = prepare_dumps(engine)
    try:
        calls = hooks.Hooks(info, settings)
    except (Exception, SystemExit) as error:
        raise Refused(load.describe(error)) from None
    calls.post_fork()
    if application is None:
        application = load_application(info)
    for name in ("SIGTERM", "SIGQUIT"):
        forked.handle(name, functools.partial(engine.drain, getattr(signal, name)))
    configure(engine, info, settings, application, calls)
    calls.post_worker_init()
    seen = modules.files()
    engine.ready(json.dumps(sorted(seen)))
    if info.get("dev"):
        modules.follow(engine, seen)
    try:
        serve(engine, info, settings)
    finally:
        calls.worker_exit()
        engine.close()
        dumps.close()


def serve(engine, info, settings):
    if info["python"].get("worker_class") == "gevent":
        from appd_worker import gevent_worker

        return gevent_worker.serve(engine)
    others = [threading.Thread(target=engine.run, name="appd-%d" % i, daemon=True) for i in range(1, settings["threads"])]
    for thread in others:
        thread.start()
    run_main(engine)
    for thread in others:
        thread.join()


def run_main(engine):
    """Serves on the main thread, which also runs the application's signal handlers:
    what one raises between two requests concerns none of them."""
    while not engine.leaving():
        try:
            engine.run()
        except Exception:
            log.errors.exception("a signal handler raised")
        except BaseException:  # SystemExit or KeyboardInterrupt: it wants the worker to end
            log.note("warning", "a signal handler asked the worker to end")
            engine.drain(0)


def prepare_dumps(engine):
    """Stacks of all threads are written by faulthandler, in a signal handler."""
    stream = io.FileIO(os.dup(2), "w")
    os.set_inheritable(stream.fileno(), False)
    number = signal.SIGRTMAX - 3
    faulthandler.register(number, file=stream, all_threads=True)
    engine.dump_to(stream.fileno(), number)
    return stream


def configure(engine, info, settings, application, calls):
    gevent = info["python"].get("worker_class") == "gevent"
    wait, end = None, forked.end
    if gevent:
        from appd_worker import gevent_worker

        wait, end = gevent_worker.wait, gevent_worker.end_child
    engine.configure(
        application=application,
        base={
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": settings["threads"] > 1 or gevent,
            "wsgi.multiprocess": info.get("workers", 1) > 1,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.early_hints": early_hints,
            "wsgi.input_terminated": True,
            "appd.worker_id": info["slot"],
            "appd.generation": info["generation"],
        },
        file_wrapper=FileWrapper if settings["sendfile"] else None,
        on_error=log.failure,
        on_note=log.note,
        on_wait=wait,
        on_child=end,
        pre_request=calls.pre_request,
        post_request=calls.post_request,
        on_order=orders.Orders(calls).obey,
    )


def early_hints(headers):
    """What gunicorn's sends as a 103 goes nowhere: FastCGI and uwsgi have no place for it,
    and nginx before 1.29 takes it for the answer."""


PLAIN = (io.FileIO.read, io.BufferedReader.read, io.BufferedRandom.read)


class FileWrapper:
    """wsgi.file_wrapper: an iterable over a file that the engine may send by itself."""

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def place(self):
        """The descriptor and the offset of a file that holds the very bytes that read()
        would return, which a compressed one does not; None for any other."""
        try:
            read = self.filelike.read
            file = getattr(read, "__wrapped__", read).__self__  # the one behind tempfile's wrappers, and Django's
            raw = file if isinstance(file, io.FileIO) else file.raw
            if type(file).read in PLAIN and type(raw).readinto is io.FileIO.readinto:
                return file.fileno(), file.tell()
        except Exception:
            pass  # reading it shows what is wrong
        return None

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if not data:
            raise StopIteration
        return data
