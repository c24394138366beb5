"""What the supervisor asks for and only Python can do. The engine calls obey in a
thread of its own."""
import collections
import os
import sys
import threading
import time

PERIOD = 0.01


class Orders:
    def __init__(self, hooks):
        self.hooks = hooks

    def obey(self, kind, descriptor, number):
        if kind == "worker_int":
            self.hooks.worker_int()
        elif kind == "worker_abort":
            self.hooks.worker_abort()
        elif kind == "profile":
            profile(descriptor, number)


def profile(descriptor, seconds):
    """Samples the stacks of all threads and writes them folded, one line a stack with
    how often it was seen: what flame graph tools read."""
    seen = collections.Counter()
    own = threading.get_ident()
    end = time.monotonic() + max(1, seconds)
    while time.monotonic() < end:
        names = {t.ident: t.name for t in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident != own:
                seen[fold(names.get(ident, str(ident)), frame)] += 1
        time.sleep(PERIOD)
    text = "".join("%s %d\n" % item for item in seen.most_common())
    data = text.encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(descriptor, data):]


def fold(thread, frame):
    parts = []
    while frame is not None:
        code = frame.f_code
        parts.append("%s (%s:%d)" % (code.co_name, code.co_filename, frame.f_lineno))
        frame = frame.f_back
    parts.append(thread)
    return ";".join(part.replace(";", ",") for part in reversed(parts))
