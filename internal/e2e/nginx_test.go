// nginx in front of appd: the sites that package nginx writes, and lines as
// people have them from the distribution.

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/appd-server/appd/nginx"
)

// nginxFrame is the configuration around the sites.
const nginxFrame = `
daemon off;
pid %[1]s/nginx.pid;
error_log stderr info;
user root;
worker_processes 2;
events { worker_connections 2000; }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    large_client_header_buffers 8 64k;
    default_type text/plain;
    include %[1]s/sites*.conf;
%[2]s
}
`

// distribution are sites as the packages' own examples have them: stock params
// files, HTTP/1.0 to the application.
const distribution = `
    server {
        listen %[1]s;
        client_max_body_size 0;
        location / { include /etc/nginx/fastcgi_params; fastcgi_pass unix:%[2]s; }
        location /protected/ { internal; alias %[5]s/; }
    }
    server {
        listen %[3]s;
        client_max_body_size 0;
        location / { include /etc/nginx/uwsgi_params; uwsgi_pass unix:%[4]s; }
        location /protected/ { internal; alias %[5]s/; }
    }
    server {
        listen %[6]s;
        client_max_body_size 0;
        location / { proxy_pass http://unix:%[7]s; }
        location /protected/ { internal; alias %[5]s/; }
    }
`

// nginxSite is a site of package nginx in front of a.
func nginxSite(a *appd, name, addr, protocol string) nginx.Site {
	return nginx.Site{
		Name: name, Listen: []string{addr}, Protocol: protocol, Upstream: "unix:" + a.socket(protocol), Timeout: limit,
		Static: []nginx.Static{{Prefix: "/protected/", Alias: filepath.Join(a.dir, "protected"), Internal: true}},
	}
}

func startNginx(t testing.TB, a *appd) []*front {
	t.Helper()
	write(t, filepath.Join(subfolder(t, a.dir, "protected"), "file.txt"), "the protected file")
	fronts := []*front{
		{code: "NF", protocol: "fastcgi", spools: true},
		{code: "NK", protocol: "fastcgi", spools: true, kept: true},
		{code: "NX", protocol: "fastcgi"},
		{code: "NU", protocol: "uwsgi", spools: true},
		{code: "NH1", protocol: "http", kept: true},
	}
	var sites []nginx.Site
	for _, f := range fronts {
		f.addr = freeAddr(t)
		s := nginxSite(a, f.code, f.addr, f.protocol)
		if f.kept {
			s.KeepAlive = 8
		}
		s.NoRequestBuffering = !f.spools
		s.NoBuffering = !f.spools
		sites = append(sites, s)
	}
	stock := []*front{
		{code: "NFD", protocol: "fastcgi", spools: true, addr: freeAddr(t)},
		{code: "NUD", protocol: "uwsgi", spools: true, addr: freeAddr(t)},
		{code: "NH0", protocol: "http", spools: true, addr: freeAddr(t)},
	}
	more := fmt.Sprintf(distribution, stock[0].addr, a.fastcgi(), stock[1].addr, a.uwsgi(), filepath.Join(a.dir, "protected"), stock[2].addr, a.http())
	fronts = append(fronts, stock...)
	server := runNginx(t, filepath.Base(a.dir)+"-nginx", sites, more)
	for _, f := range fronts {
		f.server = server
		server.awaitListen(t, f.addr)
	}
	return fronts
}

// runNginx starts an nginx with rendered sites and more lines of the http block.
func runNginx(t testing.TB, name string, sites []nginx.Site, more string) *process {
	t.Helper()
	text, err := nginx.Render(sites...)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, name)
	write(t, filepath.Join(dir, "sites.conf"), string(text))
	return runNginxIn(t, dir, more)
}

// runPlainNginx starts an nginx with lines of the http block.
func runPlainNginx(t testing.TB, name, more string) *process {
	t.Helper()
	return runNginxIn(t, folder(t, name), more)
}

// runNginxIn starts an nginx with lines of the http block and the sites.conf of its
// folder, if there is one.
func runNginxIn(t testing.TB, dir, more string) *process {
	t.Helper()
	program := need(t, "nginx")
	frame := fmt.Sprintf(nginxFrame, dir, more)
	if !isRoot() {
		frame = strings.Replace(frame, "user root;\n", "", 1)
	}
	conf := write(t, filepath.Join(dir, "nginx.conf"), frame)
	return launch(t, filepath.Base(dir), nil, program, "-c", conf, "-e", "stderr", "-p", dir)
}
