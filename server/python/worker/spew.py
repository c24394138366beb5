"""The setting spew: every line of Python that is executed is printed."""
import linecache
import sys
import threading


def install():
    sys.settrace(trace)
    threading.settrace(trace)


def trace(frame, event, argument):
    name = frame.f_code.co_filename
    if name.startswith("<"):
        return None
    if event == "line":
        line = linecache.getline(name, frame.f_lineno).rstrip()
        print("%s:%d: %s" % (frame.f_globals.get("__name__", name), frame.f_lineno, line), file=sys.stderr)
    return trace
