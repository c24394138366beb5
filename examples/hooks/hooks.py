"""Hooks inside a worker, with the arguments that gunicorn gives them."""
import time

started = {}


def post_fork(server, worker):
    worker.log.info("worker %d of supervisor %d exists", worker.pid, server.pid)


def post_worker_init(worker):
    worker.log.info("worker %d has loaded the application", worker.pid)


def pre_request(worker, req):
    started[id(req)] = time.monotonic()


def post_request(worker, req, environ, resp):
    took = time.monotonic() - started.pop(id(req))
    worker.log.info("%s %s: %s in %.1f ms", req.method, req.path, resp.status, took * 1000)


def worker_exit(server, worker):
    worker.log.info("worker %d leaves after %d requests", worker.pid, worker.nr)
