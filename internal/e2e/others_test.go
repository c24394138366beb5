// The other web servers in front of appd.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func isRoot() bool { return os.Geteuid() == 0 }

// haproxyConf has FastCGI plain (HF), FastCGI with GET_VALUES and several
// requests on a connection (HM), and HTTP (HH).
const haproxyConf = `
global
    nbthread 1
    maxconn 500
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 60s
    timeout client 60s
    timeout server 60s
fcgi-app plain
    docroot /srv
    log-stderr global
    no option get-values
    no option mpxs-conns
fcgi-app many
    docroot /srv
    log-stderr global
    option get-values
    option mpxs-conns
frontend HF
    bind %[1]s
    use_backend HF-impatient if { url_sub impatient }
    default_backend HF
backend HF
    use-fcgi-app plain
    server appd unix@%[4]s proto fcgi
backend HF-impatient
    timeout server 2s
    use-fcgi-app plain
    server appd unix@%[4]s proto fcgi
frontend HM
    bind %[2]s
    use_backend HM-impatient if { url_sub impatient }
    default_backend HM
backend HM
    http-reuse always
    use-fcgi-app many
    server appd unix@%[4]s proto fcgi
backend HM-impatient
    timeout server 2s
    http-reuse always
    use-fcgi-app many
    server appd unix@%[4]s proto fcgi
frontend HH
    bind %[3]s
    default_backend HH
backend HH
    option forwardfor
    server appd unix@%[5]s
`

func startHAProxy(t testing.TB, a *appd) []*front {
	t.Helper()
	fronts := []*front{
		{code: "HF", protocol: "fastcgi", addr: freeAddr(t), kept: true},
		{code: "HM", protocol: "fastcgi", addr: freeAddr(t), kept: true},
		{code: "HH", protocol: "http", addr: freeAddr(t), kept: true},
	}
	name := filepath.Base(a.dir) + "-haproxy"
	dir := folder(t, name)
	conf := write(t, filepath.Join(dir, "haproxy.cfg"), fmt.Sprintf(haproxyConf,
		fronts[0].addr, fronts[1].addr, fronts[2].addr, a.socket("haproxy"), a.http()))
	return alive(t, fronts, launch(t, name, nil, need(t, "haproxy"), "-db", "-f", conf))
}

// alive notes the server of the fronts and waits until it listens.
func alive(t testing.TB, fronts []*front, server *process) []*front {
	t.Helper()
	for _, f := range fronts {
		f.server = server
		server.awaitListen(t, f.addr)
	}
	return fronts
}

const apacheConf = `
ServerName localhost
ServerRoot %[1]s
PidFile %[1]s/apache.pid
ErrorLog %[1]s/error.log
LogLevel warn
DefaultRuntimeDir %[1]s
%[2]s
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 50
ProxyTimeout 60
AllowEncodedSlashes NoDecode
Listen %[3]s
Listen %[4]s
Listen %[5]s
<VirtualHost %[3]s>
    ProxyPass "/" "unix:%[6]s|fcgi://appd/" enablereuse=on flushpackets=on retry=0
</VirtualHost>
<VirtualHost %[4]s>
    ProxyPass "/" "unix:%[6]s|uwsgi://appd/" flushpackets=on retry=0
</VirtualHost>
<VirtualHost %[5]s>
    ProxyPreserveHost On
    ProxyPass "/" "unix:%[7]s|http://appd/" upgrade=websocket flushpackets=on retry=0
</VirtualHost>
`

func startApache(t testing.TB, a *appd) []*front {
	t.Helper()
	fronts := []*front{
		{code: "AF", protocol: "fastcgi", addr: freeAddr(t), kept: true},
		{code: "AU", protocol: "uwsgi", addr: freeAddr(t)},
		{code: "AH", protocol: "http", addr: freeAddr(t), kept: true},
	}
	name := filepath.Base(a.dir) + "-apache"
	dir := folder(t, name)
	var lines strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "proxy", "proxy_fcgi", "proxy_uwsgi", "proxy_http", "proxy_wstunnel", "unixd"} {
		if file := "/usr/lib/apache2/modules/mod_" + m + ".so"; exists(file) {
			fmt.Fprintf(&lines, "LoadModule %s_module %s\n", m, file)
		}
	}
	if isRoot() {
		lines.WriteString("User www-data\nGroup www-data\n")
	}
	conf := write(t, filepath.Join(dir, "apache.conf"), fmt.Sprintf(apacheConf, dir, lines.String(),
		fronts[0].addr, fronts[1].addr, fronts[2].addr, a.socket("apache"), a.http()))
	return alive(t, fronts, launch(t, name, nil, need(t, "apache2"), "-DFOREGROUND", "-f", conf))
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

const lighttpdConf = `
server.document-root = "%[1]s"
server.bind = "127.0.0.1"
server.port = %[2]s
server.errorlog = "%[1]s/error.log"
server.upload-dirs = ("%[1]s")
server.max-request-field-size = 65535
server.modules = ("mod_fastcgi", "mod_scgi", "mod_proxy")
%[3]s
`

func startLighttpd(t testing.TB, a *appd) []*front {
	t.Helper()
	fastcgi := fmt.Sprintf(`fastcgi.server = ("/" => (("socket" => "%s", "check-local" => "disable", "fix-root-scriptname" => "enable")))`, a.socket("lighttpd"))
	lines := map[string]string{
		"LF":  fastcgi,
		"LFS": "server.stream-request-body = 2\nserver.stream-response-body = 2\n" + fastcgi,
		"LU": fmt.Sprintf("scgi.protocol = \"uwsgi\"\n"+
			`scgi.server = ("/" => (("socket" => "%s", "check-local" => "disable", "fix-root-scriptname" => "enable")))`, a.socket("lighttpd")),
		"LH": `proxy.header = ("upgrade" => "enable")` + "\n" + fmt.Sprintf(`proxy.server = ("" => (("socket" => "%s")))`, a.http()),
	}
	fronts := []*front{
		{code: "LF", protocol: "fastcgi", spools: true},
		{code: "LFS", protocol: "fastcgi"},
		{code: "LU", protocol: "uwsgi", spools: true},
		{code: "LH", protocol: "http", spools: true},
	}
	for _, f := range fronts {
		port := freePort(t)
		f.addr = "127.0.0.1:" + port
		name := filepath.Base(a.dir) + "-lighttpd-" + f.code
		dir := folder(t, name)
		conf := write(t, filepath.Join(dir, "lighttpd.conf"), fmt.Sprintf(lighttpdConf, dir, port, lines[f.code]))
		alive(t, []*front{f}, launch(t, name, nil, need(t, "lighttpd"), "-D", "-f", conf))
	}
	return fronts
}

const caddyConf = `{
	admin off
	auto_https off
}
http://%[1]s {
	bind 127.0.0.1
	reverse_proxy unix/%[3]s {
		transport fastcgi {
			root /srv
		}
	}
}
http://%[2]s {
	bind 127.0.0.1
	reverse_proxy unix/%[4]s
}
`

func startCaddy(t testing.TB, a *appd) []*front {
	t.Helper()
	fronts := []*front{
		{code: "CF", protocol: "fastcgi", addr: freeAddr(t)},
		{code: "CH", protocol: "http", addr: freeAddr(t), kept: true},
	}
	name := filepath.Base(a.dir) + "-caddy"
	dir := folder(t, name)
	// A site of Caddy that names a port answers for any Host.
	port := func(f *front) string { return ":" + f.addr[strings.LastIndexByte(f.addr, ':')+1:] }
	conf := write(t, filepath.Join(dir, "Caddyfile"), fmt.Sprintf(caddyConf, port(fronts[0]), port(fronts[1]), a.socket("caddy"), a.http()))
	return alive(t, fronts, launch(t, name, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir},
		need(t, "caddy"), "run", "--adapter", "caddyfile", "--config", conf))
}
