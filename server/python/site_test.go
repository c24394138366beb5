// A site: an application of Python's, the real appd, and nginx in front of it.

package python_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site is an appd and an nginx in front of it, in a folder of their own.
type site struct {
	t      *testing.T
	dir    string
	cgroup string // that appd runs in, "": the test's
	appd   *exec.Cmd
	ended  chan struct{}
	log    buffer
}

var protocols = []string{"fastcgi", "fastcgi-keep", "uwsgi", "http", "http-keep"}

const nginxConf = `
daemon off;
master_process off;
pid DIR/nginx.pid;
error_log DIR/error.log;
worker_rlimit_nofile 4096;
events { worker_connections 1024; }
http {
	access_log off;
	client_max_body_size 0;
	client_body_temp_path DIR/t1; proxy_temp_path DIR/t2; fastcgi_temp_path DIR/t3; uwsgi_temp_path DIR/t4; scgi_temp_path DIR/t5;
	upstream kept_fastcgi { server unix:DIR/app.sock; keepalive 16; }
	upstream kept_http { server unix:DIR/app.sock; keepalive 16; }
	server { listen unix:DIR/fastcgi.sock; location MOUNT/ { include /etc/nginx/fastcgi_params; fastcgi_pass unix:DIR/app.sock; } }
	server { listen unix:DIR/fastcgi-keep.sock; location MOUNT/ { include /etc/nginx/fastcgi_params; fastcgi_pass kept_fastcgi; fastcgi_keep_conn on; fastcgi_request_buffering off; } }
	server { listen unix:DIR/uwsgi.sock; location MOUNT/ { include /etc/nginx/uwsgi_params; uwsgi_pass unix:DIR/app.sock; } }
	server { listen unix:DIR/http.sock; location MOUNT/ { proxy_pass http://unix:DIR/app.sock; proxy_set_header Host $http_host; } }
	server { listen unix:DIR/http-keep.sock; location MOUNT/ { proxy_pass http://kept_http; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_request_buffering off; } }
}
`

// open starts both, with a copy of the files of folder app.
func open(t *testing.T, app, hcl, mount string) *site {
	t.Helper()
	s := prepare(t, app, hcl)
	s.write("nginx.conf", strings.NewReplacer("DIR", s.dir, "MOUNT", mount).Replace(nginxConf))
	s.begin()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // an ordinary user's PATH leaves it out
	}
	nginx := exec.Command(program, "-p", s.dir, "-c", s.dir+"/nginx.conf", "-e", s.dir+"/error.log")
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nginx.Process.Kill()
		nginx.Wait()
		if t.Failed() {
			errors, _ := os.ReadFile(s.dir + "/error.log")
			t.Logf("nginx:\n%.3000s", errors)
		}
	})
	eventually(t, "an answer of the site", func() bool {
		r, err := s.client("uwsgi").Get("http://site.example" + mount + "/")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == 200
	})
	return s
}

// prepare makes the folder, with appd.hcl and a copy of the files of folder app.
func prepare(t *testing.T, app, hcl string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	if app != "" {
		if err := os.CopyFS(s.dir, os.DirFS(app)); err != nil {
			t.Fatal(err)
		}
	}
	s.write("appd.hcl", fmt.Sprintf("%s\nlisten \"unix:%s/app.sock\" { mode = \"0666\" }\nrun_dir = \"%s/run\"\n", hcl, s.dir, s.dir))
	return s
}

// config is an appd.hcl for an application of Python's, with more lines for its app
// block and some behind it.
func config(wsgi, app, rest string) string {
	return fmt.Sprintf("app {\n wsgi = %q\n python = %q\n%s\n}\n%s\n", wsgi, interpreter, app, rest)
}

// folder makes one that holds an application, app.py.
func folder(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// begin starts appd. At the test's end it is told to stop at once.
func (s *site) begin() {
	s.t.Helper()
	bin, err := appd()
	if err != nil {
		s.t.Fatal(err)
	}
	lib, err := engine()
	if err != nil {
		s.t.Fatal(err)
	}
	s.appd = exec.Command(bin, "-c", s.dir+"/appd.hcl")
	if s.cgroup != "" {
		s.appd = exec.Command("sh", "-c", "echo $$ > "+s.cgroup+"/cgroup.procs && exec \"$@\"", "sh", bin, "-c", s.dir+"/appd.hcl")
	}
	s.appd.Env = append(os.Environ(), "APPD_ENGINE="+lib)
	s.appd.Stdout, s.appd.Stderr = &s.log, &s.log
	if err := s.appd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() {
		s.appd.Wait()
		close(s.ended)
	}()
	s.t.Cleanup(func() {
		s.appd.Process.Signal(os.Interrupt)
		select {
		case <-s.ended:
		case <-time.After(60 * time.Second):
			s.t.Error("appd does not stop")
			s.appd.Process.Kill()
			<-s.ended
		}
		if s.t.Failed() {
			s.t.Logf("appd:\n%s", s.log.String())
		}
	})
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// client speaks to nginx over the socket of one protocol, with cookies.
func (s *site) client(protocol string) *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar, Timeout: 60 * time.Second, Transport: &http.Transport{DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.dir+"/"+protocol+".sock")
		}}}
}

func answer(t *testing.T, c *http.Client, q *http.Request) (int, map[string]any) {
	t.Helper()
	r, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	got := map[string]any{}
	b, _ := io.ReadAll(r.Body)
	json.Unmarshal(b, &got)
	return r.StatusCode, got
}

func request(method, target string, body io.Reader, fields ...string) *http.Request {
	q, err := http.NewRequest(method, "http://site.example"+target, body)
	if err != nil {
		panic(err) // a mistake in the test
	}
	for i := 0; i+1 < len(fields); i += 2 {
		q.Header.Set(fields[i], fields[i+1])
	}
	return q
}

// inFlight waits until a request is inside the application.
func (s *site) inFlight(target string) {
	s.t.Helper()
	eventually(s.t, "in flight: "+target, func() bool { return strings.Contains(s.verb("status", "--json"), target) })
}

// made waits until the application has made a file in its folder.
func (s *site) made(name string) {
	s.t.Helper()
	eventually(s.t, "made by the application: "+name, func() bool {
		_, err := os.Stat(filepath.Join(s.dir, name))
		return err == nil
	})
}

// logged waits until appd's log holds text.
func (s *site) logged(text string) {
	s.t.Helper()
	eventually(s.t, "in the log of appd: "+text, func() bool { return strings.Contains(s.log.String(), text) })
}

// verb runs a verb of appd's on the site and returns what it prints.
func (s *site) verb(words ...string) string {
	s.t.Helper()
	out, err := s.try(words...)
	if err != nil {
		s.t.Fatalf("appd %v: %v\n%s", words, err, out)
	}
	return out
}

// try is verb for what may fail.
func (s *site) try(words ...string) (string, error) {
	s.t.Helper()
	bin, err := appd()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(bin, append(words, "-c", s.dir+"/appd.hcl")...)
	cmd.Env = s.appd.Env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// queued is how many connections wait to be accepted.
func queued(t *testing.T, s *site) int {
	t.Helper()
	out := s.verb("status", "--json")
	var status struct {
		Listeners []struct{ Queue int }
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Listeners) == 0 {
		t.Fatalf("%v: %s", err, out)
	}
	return status.Listeners[0].Queue
}
