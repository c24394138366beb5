# An aiohttp application, which has a loop of its own.
# `bin/appd -c examples/exec/aiohttp.hcl`, then http://127.0.0.1:8009/

app {
  exec = ["/usr/bin/python3", "aiohttp_server.py"]
}

listen "127.0.0.1:8009" {}

workers = 2
