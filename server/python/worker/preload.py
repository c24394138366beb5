"""The preload process: it has imported the application and forks workers.

Each worker is forked twice, so that it becomes the supervisor's child; the process
in between has gone before the supervisor hears of the worker.
"""
import gc
import json
import os
import signal
import sys
import warnings


def serve_forks(channel, info):
    """Forks workers until the generation ends. Returns None in the preload process,
    and the hand-over of a worker in that worker."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    gc.collect()
    gc.freeze()  # what was imported stays in pages that no worker writes to
    channel.send(kind="ready", version=info["version"])
    while True:
        message, descriptors = channel.receive()
        if message is None or message["kind"] in ("drain", "stop"):
            return None
        if message["kind"] != "fork":
            close(descriptors)
            continue
        try:
            worker = fork_twice()
        except OSError as error:
            channel.send(kind="forked", text=str(error))
            close(descriptors)
            continue
        if worker == 0:
            return become_worker(message, descriptors)
        close(descriptors)
        channel.send(kind="forked", pid=worker)


def close(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


def fork():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads stay behind on purpose
        return os.fork()


def fork_twice():
    """Returns the worker's pid, and 0 in the worker."""
    reader, writer = os.pipe()
    between = fork()
    if between == 0:
        try:
            worker = fork()
        except OSError:
            os._exit(1)
        if worker:
            os._exit(0)
        os.setpgid(0, 0)  # before anybody hears of it: the supervisor signals groups
        os.write(writer, b"%d" % os.getpid())
        os.close(reader)
        os.close(writer)
        return 0
    os.close(writer)
    try:
        os.waitpid(between, 0)
    except ChildProcessError:
        pass  # the application has children reaped by themselves, or its own handler was faster
    text = os.read(reader, 32)
    os.close(reader)
    if not text:
        raise OSError("the worker could not be forked")
    return int(text)


def become_worker(message, descriptors):
    """Puts what came with the order where a worker expects it."""
    handed = message["handoff"]
    for name in ("control", "scoreboard", "access_log", "error_log"):
        if handed.get(name):
            handed[name] = descriptors[handed[name] - 1]
    for listener in handed.get("listeners") or []:
        listener["fd"] = descriptors[listener["fd"] - 1]
    for number, descriptor in ((1, descriptors[-2]), (2, descriptors[-1])):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for pair in message.get("env") or []:
        name, _, value = pair.partition("=")
        os.environ[name] = value
    forget_children()
    return json.dumps(handed)


def forget_children():
    """Makes multiprocessing know that its processes are the preload process's: a
    worker's exit neither joins nor ends them, and queues made at import work."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None:
        process._children = set()
    if util is not None:
        util._finalizer_registry.clear()
        util._run_after_forkers()
