# PHP without php-fpm. `bin/appd -c examples/php/appd.hcl`; nginx.conf beside this file passes to the socket.

app {
  fastcgi = ["/usr/bin/php-cgi"]
}

listen "unix:/tmp/appd-php.sock" {
  protocol = "fastcgi"
}

workers = 4
