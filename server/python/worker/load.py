"""Finds the application that "module:callable" names."""
import ast
import importlib
import os
import sys
import traceback


class LoadError(Exception):
    """What is wrong with the name, for the person who wrote it."""


def load(spec, default="application"):
    """Returns the object of MODULE, MODULE:NAME, MODULE:NAME.NAME or MODULE:FACTORY(ARGUMENTS)."""
    module_name, _, expression = spec.partition(":")
    if os.sep in module_name or module_name.endswith(".py"):
        raise LoadError(about_file(module_name, expression or default))
    names, call = parse(spec, expression or default)
    module = import_module(spec, module_name)
    found = module
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise LoadError("%s: module %s has no %r%s" % (spec, module_name, name, suggest(module))) from None
    if call is not None:
        arguments, keywords = call
        found = found(*arguments, **keywords)
    if found is None:
        raise LoadError("%s is None: it must be a callable" % spec)
    if asynchronous(found):
        raise LoadError("%s is an ASGI application, not a WSGI one: run it by exec = [\"uvicorn\", \"--fd\", \"3\", \"%s\"]" % (spec, spec))
    if not callable(found):
        raise LoadError("%s is not callable but %r" % (spec, type(found).__name__))
    return found


def asynchronous(found):
    """Says whether calling it would only make a coroutine."""
    for function in (found, getattr(type(found), "__call__", None)):
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & 0x80:
            return True
    return False


def parse(spec, expression):
    """Splits an expression into attribute names and the arguments of a call."""
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise LoadError("%s: %r is neither a name nor a call" % (spec, expression)) from None
    call = None
    if isinstance(node, ast.Call):
        try:
            call = ([ast.literal_eval(a) for a in node.args], {k.arg: ast.literal_eval(k.value) for k in node.keywords})
        except ValueError:
            raise LoadError("%s: the arguments of a factory must be literals" % spec) from None
        node = node.func
    names = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise LoadError("%s: %r is neither a name nor a call" % (spec, expression))
    return [node.id] + names, call


def import_module(spec, name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            sought = "sys.path:\n  %s\n" % "\n  ".join(sys.path)
            raise LoadError("%s%s: there is no module %r on sys.path" % (sought, spec, error.name)) from None
        raise


def about_file(path, name):
    module = path[:-3] if path.endswith(".py") else path
    module = os.path.normpath(module).strip(os.sep).replace(os.sep, ".")
    return "%s is a file: name the module as Python imports it, for instance %s:%s" % (path, module, name)


def suggest(module):
    """Names that look like a WSGI application."""
    found = [n for n in ("application", "app", "wsgi", "create_app", "make_app") if callable(getattr(module, n, None))]
    return "; it has " + ", ".join(found) if found else ""


def describe(error):
    """The application's own traceback, without the frames that led to it."""
    if isinstance(error, LoadError):
        return str(error)
    frames = error.__traceback__
    while frames and ours(frames):
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    return text.rstrip("\n")


def ours(frames):
    name = frames.tb_frame.f_code.co_filename
    return name.startswith("<appd_worker") or name.startswith("<frozen importlib") or name in ("<string>", importlib.__file__)
