"""Which source files the application consists of: development watches them."""
import json
import os
import sys
import sysconfig
import threading
import time

PERIOD = 1.0


def foreign():
    """The folders of what is installed, which nobody edits."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {sysconfig.get_paths()[name] for name in names}
    paths.update(p for p in sys.path if os.path.basename(p) in ("site-packages", "dist-packages"))
    return tuple(p + os.sep for path in paths for p in (path, os.path.realpath(path)))


def files():
    found, elsewhere = set(), foreign()
    for key, module in list(sys.modules.items()):
        name = getattr(module, "__file__", None)
        if not isinstance(name, str) or key == "appd_engine":
            continue
        name = os.path.abspath(name)
        if not name.startswith(elsewhere) and not os.path.realpath(name).startswith(elsewhere):
            found.add(name)
    return found


def follow(engine, seen):
    """Reports what is imported later, from a thread of its own."""

    def look():
        count = len(sys.modules)
        while True:
            time.sleep(PERIOD)
            if len(sys.modules) == count:
                continue
            count = len(sys.modules)
            new = files() - seen
            if new:
                seen.update(new)
                engine.watch(json.dumps(sorted(new)))

    threading.Thread(target=look, name="appd-modules", daemon=True).start()
