import os
workers = int(os.environ.get("NO_SUCH_VARIABLE", "3"))
worker_class = "uvicorn.workers.UvicornWorker"
bind = "127.0.0.1:9000"
proxy_protocol = True
accesslog = "-"
forwarded_allow_ips = "*"
logger_class = type("Log", (), {})
ssl_context = lambda *a: None
helper = object()
