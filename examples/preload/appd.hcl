# preload_app: imported once, then forked. `bin/appd -c examples/preload/appd.hcl`, then http://127.0.0.1:8003/

app {
  wsgi        = "app:application"
  python      = "/usr/bin/python3"
  preload_app = true
}

listen "127.0.0.1:8003" {}

workers      = 4
max_requests = 1000 # recycled workers are forked again from the same process
