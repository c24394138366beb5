# A Django project as startproject lays it out. `bin/appd -c examples/django/appd.hcl`, then http://127.0.0.1:8002/

app {
  wsgi    = "shop.wsgi:application"
  python  = "/usr/bin/python3"
  threads = 2
  env     = { DJANGO_SETTINGS_MODULE = "shop.settings" }
}

listen "unix:/tmp/appd-django.sock" {}
listen "127.0.0.1:8002" {} # without nginx

workers = 2
