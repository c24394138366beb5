# A Tornado application, which has a loop of its own.
# `bin/appd -c examples/exec/tornado.hcl`, then http://127.0.0.1:8008/

app {
  exec = ["/usr/bin/python3", "tornado_server.py"]
}

listen "127.0.0.1:8008" {}

workers = 2
