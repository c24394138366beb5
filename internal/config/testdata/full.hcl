app {
  go  = "./cmd/shop"
  env = { A = "b" }
}
listen "unix:app.sock" {
  mode = "0600"
}
workers = max(1, 2*cpus() + 1)
timeout = "90s"
limit_request_body = "10MiB"
hook "when_ready" { command = ["true"] }
nginx {
  listen = "8080"
  static "/static/" { root = "public" }
}
