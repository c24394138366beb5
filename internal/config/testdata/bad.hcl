app {
  go  = cmd/shop
  wsgi = shop.wsgi
  thread = 2
}
wokers = 0
workers = 0
bind = "x"
listen "/run/x" {}
listen "unix:x" { mode = 0660 }
timeout = "5 parsecs"
threads = 3
http2_max = 3
certfile = "x"
listn "x" {}
hook "when_redy" {}
max_memory = -1
user = "nobodyx"
worker_class = "eventlet"
