// The front and the load: a real nginx, and wrk.

//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// nginxConf has reuseport, so that wrk's few connections are spread over nginx's two
// processes: without, one of them often gets all and is itself what is measured.
const nginxConf = `
worker_processes 2;
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log error;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	keepalive_requests 10000000;
	upstream app_keep { server unix:%[1]s/app.sock; keepalive 64; keepalive_requests 10000000; }
	upstream app { server unix:%[1]s/app.sock; }
	server {
		listen 127.0.0.1:%[2]d backlog=1024 reuseport;
		location /fastcgi_keep/ { fastcgi_pass app_keep; fastcgi_keep_conn on; include %[1]s/params; }
		location /fastcgi/ { fastcgi_pass app; include %[1]s/params; }
		location /uwsgi/ { uwsgi_pass app; include %[1]s/uparams; }
		location /http_keep/ { proxy_pass http://app_keep; proxy_http_version 1.1; proxy_set_header Connection ""; }
		location /http/ { proxy_pass http://app; }
		location /burn/fastcgi_keep/ { fastcgi_pass app_keep; fastcgi_keep_conn on; include %[1]s/params; }
		location /burn/http_keep/ { proxy_pass http://app_keep; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
}
`

// params are the ones of Debian's fastcgi_params, which most sites use.
var params = []string{
	"QUERY_STRING $query_string", "REQUEST_METHOD $request_method", "CONTENT_TYPE $content_type", "CONTENT_LENGTH $content_length",
	"SCRIPT_NAME $fastcgi_script_name", "REQUEST_URI $request_uri", "DOCUMENT_URI $document_uri", "DOCUMENT_ROOT $document_root",
	"SERVER_PROTOCOL $server_protocol", "REQUEST_SCHEME $scheme", "GATEWAY_INTERFACE CGI/1.1", "SERVER_SOFTWARE nginx/$nginx_version",
	"REMOTE_ADDR $remote_addr", "REMOTE_PORT $remote_port", "REMOTE_USER $remote_user", "SERVER_ADDR $server_addr",
	"SERVER_PORT $server_port", "SERVER_NAME $server_name",
}

// nginx is a running front.
type nginx struct {
	cmd  *exec.Cmd
	port int
}

func startNginx(dir string, _ []string) (*nginx, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	var f, u strings.Builder
	for _, p := range params {
		fmt.Fprintf(&f, "fastcgi_param %s;\n", p)
		fmt.Fprintf(&u, "uwsgi_param %s;\n", strings.Replace(p, "SCRIPT_NAME $fastcgi_script_name", "PATH_INFO $document_uri", 1))
	}
	files := map[string]string{"params": f.String(), "uparams": u.String(), "nginx.conf": fmt.Sprintf(nginxConf, dir, port)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	os.Chmod(dir, 0o755)
	cmd := exec.Command("nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-g", user())
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n := &nginx{cmd, port}
	for range 100 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return n, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	n.stop()
	return nil, fmt.Errorf("nginx does not answer; see %s/error.log", dir)
}

// user keeps nginx's workers from a user who cannot open the socket.
func user() string {
	if os.Getuid() == 0 {
		return "user root;"
	}
	return ""
}

func (n *nginx) url(location string) string {
	return fmt.Sprintf("http://127.0.0.1:%d/%s/", n.port, location)
}

func (n *nginx) stop() {
	n.cmd.Process.Signal(os.Interrupt)
	n.cmd.Wait()
}

// cpu is the time that nginx has used so far.
func (n *nginx) cpu() time.Duration { return (&app{procs: []*exec.Cmd{n.cmd}}).cpu() }

// loaded is what wrk saw.
type loaded struct {
	requests       int
	rate, p50, p99 float64 // milliseconds
}

var (
	requestsRE = regexp.MustCompile(`(\d+) requests in`)
	rateRE     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	quantileRE = regexp.MustCompile(`(50|99)%\s+([\d.]+)(us|ms|s)`)
	badRE      = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

// load has wrk ask for url over n connections.
func load(url string, n int, d time.Duration) (loaded, error) { return loadWith("", url, n, d) }

// loadWith is load by a script of wrk's.
func loadWith(script, url string, n int, d time.Duration) (loaded, error) {
	arguments := []string{"-t1", "-c" + strconv.Itoa(n), "-d" + strconv.FormatInt(max(int64(d.Seconds()+0.5), 1), 10), "--latency"}
	if script != "" {
		arguments = append(arguments, "-s", script)
	}
	cmd := exec.Command("wrk", append(arguments, url)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return loaded{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if bad := badRE.Find(out); bad != nil {
		return loaded{}, fmt.Errorf("wrk: %s", bad)
	}
	var l loaded
	if m := requestsRE.FindSubmatch(out); m != nil {
		l.requests, _ = strconv.Atoi(string(m[1]))
	}
	if m := rateRE.FindSubmatch(out); m != nil {
		l.rate, _ = strconv.ParseFloat(string(m[1]), 64)
	}
	for _, m := range quantileRE.FindAllSubmatch(out, -1) {
		v, _ := strconv.ParseFloat(string(m[2]), 64)
		switch string(m[3]) {
		case "us":
			v /= 1000
		case "s":
			v *= 1000
		}
		if string(m[1]) == "50" {
			l.p50 = v
		} else {
			l.p99 = v
		}
	}
	if l.requests == 0 {
		return l, fmt.Errorf("wrk counted nothing: %s", out)
	}
	return l, nil
}
