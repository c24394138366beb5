"""Whether this interpreter can be a worker."""
import sys
import sysconfig


class Refused(Exception):
    """Why the worker cannot serve; its text goes to whoever asked for it."""


def check():
    """Refuses, by name, the interpreters that the engine is not made for."""
    why = unfit()
    if why:
        raise Refused("appd's engine cannot be loaded by %s: %s" % (sys.executable, why))


def unfit():
    if sys.implementation.name != "cpython" or sys.version_info < (3, 9):
        return "it needs CPython 3.9 or newer, and this is %s %s" % (sys.implementation.name, sys.version.split()[0])
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "free-threaded CPython is not supported: use the ordinary build"
    if "musl" in (sysconfig.get_config_var("SOABI") or "") + (sysconfig.get_config_var("HOST_GNU_TYPE") or ""):
        return "interpreters on musl are not supported: use one on glibc"
    return None
