# A Go application behind nginx over all three protocols.
# Run it with: appd -c examples/hello/appd.hcl

app {
  go  = "."
  env = { HELLO_FRONTS = "fastcgi=${env("HELLO_FASTCGI", "8081")} uwsgi=${env("HELLO_UWSGI", "8082")} http=${env("HELLO_HTTP", "8083")}" }
}

workers = 2

# One nginx with a server for each protocol. It and the one socket that all three pass to are in the
# run folder; the first bytes of a connection tell what is spoken on it.
nginx {
  manage   = true
  listen   = "127.0.0.1:${env("HELLO_FASTCGI", "8081")}"
  protocol = "fastcgi"
}

nginx {
  manage   = true
  listen   = "127.0.0.1:${env("HELLO_UWSGI", "8082")}"
  protocol = "uwsgi"
}

nginx {
  manage   = true
  listen   = "127.0.0.1:${env("HELLO_HTTP", "8083")}"
  protocol = "http"
}
