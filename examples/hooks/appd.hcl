# Hooks. `bin/appd -c examples/hooks/appd.hcl`, then http://127.0.0.1:8004/

app {
  wsgi   = "app:application"
  python = "/usr/bin/python3"
}

listen "127.0.0.1:8004" {}

workers = 2

# In the supervisor: a command, with APPD_* variables that say what happened.
hook "when_ready" { command = ["/bin/sh", "-c", "echo the first worker is ready"] }

# In a worker: a Python callable with gunicorn's arguments.
hook "post_fork" { python = "hooks:post_fork" }
hook "post_worker_init" { python = "hooks:post_worker_init" }
hook "pre_request" { python = "hooks:pre_request" }
hook "post_request" { python = "hooks:post_request" }
hook "worker_exit" { python = "hooks:worker_exit" }
