# gunicorn itself under appd, for what appd does not load: asgi, say, with a worker class of uvicorn's.
# `bin/appd -c examples/exec/gunicorn.hcl`, then http://127.0.0.1:8007/

app {
  exec = ["/usr/bin/gunicorn", "--workers", "1", "--chdir", ".", "app:application"]
}

listen "127.0.0.1:8007" {}

workers = 1 # gunicorn forks by itself
