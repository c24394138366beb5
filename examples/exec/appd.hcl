# Any program that takes its socket by LISTEN_FDS. `bin/appd -c examples/exec/appd.hcl`, then http://127.0.0.1:8006/

app {
  exec = ["/usr/bin/node", "server.mjs"]
}

listen "127.0.0.1:8006" {
  protocol = "http"
}

workers = 2
