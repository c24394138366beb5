"""Hooks: callables of the application's, with the arguments that gunicorn gives."""
import os
import types

from appd_worker import load, log

NAMES = ("post_fork", "post_worker_init", "pre_request", "post_request", "worker_int", "worker_abort", "worker_exit")


class Server:
    """What hooks get as `server`: the supervisor, seen from a worker."""

    def __init__(self, info, cfg):
        self.pid = os.getppid()
        self.log = log.errors
        self.cfg = cfg
        self.proc_name = info["name"]
        self.address = [l["address"] for l in info.get("listeners") or []]


class Worker:
    """What hooks get as `worker`."""

    def __init__(self, info, cfg):
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.age = info["generation"]
        self.id = info["slot"]
        self.generation = info["generation"]
        self.log = log.errors
        self.cfg = cfg
        self.alive = True
        self.nr = 0  # requests that began

    def __str__(self):
        return "<Worker %d>" % self.pid


class Request:
    """What hooks get as `req`: the request, read from its environ."""

    def __init__(self, environ):
        self.environ = environ
        self.method = environ["REQUEST_METHOD"]
        self.uri = environ["REQUEST_URI"]
        self.path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        self.query = environ["QUERY_STRING"]
        self.scheme = environ["wsgi.url_scheme"]
        self.remote_addr = (environ["REMOTE_ADDR"], environ["REMOTE_PORT"])
        self.body = environ.get("wsgi.input")

    @property
    def headers(self):
        named = [(k[5:], v) for k, v in self.environ.items() if k.startswith("HTTP_")]
        named += [(k, self.environ[k]) for k in ("CONTENT_TYPE", "CONTENT_LENGTH") if self.environ.get(k)]
        return [(k.replace("_", "-"), v) for k, v in named]


class Response:
    """What hooks get as `resp`."""

    def __init__(self, code, reason, headers, sent):
        self.status_code = code
        self.status = "%d %s" % (code, reason)
        self.headers = headers
        self.sent = sent


class Hooks:
    """Loads the configured hooks and calls them; one that fails is logged, no more."""

    def __init__(self, info, settings):
        configured = info["python"].get("hooks") or {}
        cfg = types.SimpleNamespace(**settings)
        self.server = Server(info, cfg)
        self.worker = Worker(info, cfg)
        self.functions = {}  # with how many arguments each takes
        for name in NAMES:
            if configured.get(name):
                function = load.load(configured[name], name)
                self.functions[name] = function, accepted(function)
        self.requests = {}  # what pre_request saw, by the identity of its environ
        wanted = "pre_request" in self.functions or "post_request" in self.functions
        self.pre_request = self.before if wanted else None
        self.post_request = self.after if wanted else None

    def call(self, name, *arguments):
        function, count = self.functions.get(name, (None, 0))
        if function is None:
            return
        try:
            function(*arguments[:count])
        except Exception:
            log.errors.exception("hook %s failed", name)

    def post_fork(self):
        self.call("post_fork", self.server, self.worker)

    def post_worker_init(self):
        self.call("post_worker_init", self.worker)

    def worker_int(self):
        self.call("worker_int", self.worker)

    def worker_abort(self):
        self.call("worker_abort", self.worker)

    def worker_exit(self):
        self.worker.alive = False
        self.call("worker_exit", self.server, self.worker)

    def before(self, environ):
        self.worker.nr += 1
        request = self.requests[id(environ)] = Request(environ)
        self.call("pre_request", self.worker, request)

    def after(self, environ, code, reason, headers, sent):
        request = self.requests.pop(id(environ))
        self.call("post_request", self.worker, request, environ, Response(code, reason, headers, sent))


def accepted(function):
    """How many positional arguments a hook takes: old ones take fewer."""
    import inspect  # a megabyte, for who has hooks

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
