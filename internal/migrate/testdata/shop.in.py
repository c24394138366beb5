import multiprocessing
bind = ["unix:/run/x.sock", "0.0.0.0:8000"]
workers = multiprocessing.cpu_count() * 2 + 1
threads = 4
timeout = 120
keepalive = 5
certfile = "/etc/x.pem"
raw_env = ["A=b", "C=d"]
umask = 0o022
worker_class = "gthread"
def post_fork(server, worker): pass
def when_ready(server): pass
statsd_host = "x:1"
wsgi_app = "shop.wsgi"
