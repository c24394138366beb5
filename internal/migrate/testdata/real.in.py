"""What projects write: environment, helpers, strings for numbers, a logging dict."""
import json
import multiprocessing
import os

host = os.getenv("NO_SUCH_HOST", "0.0.0.0")
bind = os.getenv("NO_SUCH_BIND", f"{host}:{os.getenv('NO_SUCH_PORT', '80')}")
workers = os.getenv("NO_SUCH_WORKERS", "3")
threads = int(os.getenv("NO_SUCH_THREADS", "2"))
worker_class = "gunicorn.workers.geventlet.EventletWorker"
worker_tmp_dir = "/dev/shm"
loglevel = os.getenv("NO_SUCH_LEVEL", "INFO")
accesslog = "/dev/stdout"
errorlog = "/dev/stderr"
preload_app = "true"
capture_output = 1
reload = bool(os.getenv("NO_SUCH_DEBUG"))
graceful_timeout = 120.0
umask = "0o007"
user = 33
max_requests, max_requests_jitter = 1000, 50
keepalive = 65
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
logconfig_dict = {"version": 1, "handlers": {}}
forwarded_allow_ips = "*"
proxy_allow_ips = "*"
raw_env = ["DJANGO_SETTINGS_MODULE=shop.settings", "LANG=C.UTF-8"]
x_forwarded_for_header = "X-FORWARDED-FOR"
log_data = {"loglevel": loglevel, "workers": workers}
print(json.dumps(log_data))


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)


def worker_exit(server, worker):
    pass


def on_starting(server):
    pass
