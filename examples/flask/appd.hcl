# A Flask application. `bin/appd -c examples/flask/appd.hcl`, then http://127.0.0.1:8001/

app {
  wsgi   = "app:app"
  python = "/usr/bin/python3" # the interpreter that has Flask; a virtual environment's is as good
}

# Behind nginx: uwsgi_pass, fastcgi_pass or proxy_pass to this socket, whichever you like.
# `bin/appd nginx -c examples/flask/appd.hcl` writes the site.
listen "unix:/tmp/appd-flask.sock" {}

listen "127.0.0.1:8001" {} # without nginx

workers = 2
