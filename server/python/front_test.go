// Flask and Django behind a real nginx, over each protocol, run by the real appd.

package python_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// site is an appd and an nginx in front of it, in a folder of their own.
type site struct {
	t    *testing.T
	dir  string
	appd *exec.Cmd
	log  buffer
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

// open starts both. files are copied from folder app.
func open(t *testing.T, app, hcl, mount string) *site {
	t.Helper()
	bin, err := appd()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: t.TempDir()}
	if err := os.CopyFS(s.dir, os.DirFS(app)); err != nil {
		t.Fatal(err)
	}
	s.write("appd.hcl", fmt.Sprintf("%s\nlisten \"unix:%s/app.sock\" { mode = \"0666\" }\nrun_dir = \"%s/run\"\n", hcl, s.dir, s.dir))
	s.write("nginx.conf", strings.NewReplacer("DIR", s.dir, "MOUNT", mount).Replace(nginxConf))
	lib, _ := engine()
	s.appd = exec.Command(bin, "-c", s.dir+"/appd.hcl")
	s.appd.Env = append(os.Environ(), "APPD_ENGINE="+lib)
	s.appd.Stdout, s.appd.Stderr = &s.log, &s.log
	if err := s.appd.Start(); err != nil {
		t.Fatal(err)
	}
	nginx := exec.Command("nginx", "-p", s.dir, "-c", s.dir+"/nginx.conf", "-e", s.dir+"/error.log")
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nginx.Process.Kill()
		nginx.Wait()
		s.appd.Process.Signal(os.Interrupt)
		s.appd.Wait()
		if t.Failed() {
			errors, _ := os.ReadFile(s.dir + "/error.log")
			t.Logf("appd:\n%s\nnginx:\n%.3000s", s.log.String(), errors)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if r, err := s.client("uwsgi").Get("http://site.example" + mount + "/"); err == nil {
			r.Body.Close()
			if r.StatusCode == 200 {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the site does not come up")
		}
	}
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

func TestFrameworksBehindNginx(t *testing.T) {
	const python = `python = "` + interpreter + `"`
	for _, app := range []struct{ name, dir, hcl, mount string }{
		{"flask", "../../examples/flask", "app {\n" + `wsgi = "app:app"` + "\n" + python + "\n}\nworkers = 2\n", ""},
		{"flask below a path", "../../examples/flask", "app {\n" + `wsgi = "app:app"` + "\n" + python + "\n" + `mount = "/shop"` + "\n}\nworkers = 2\n", "/shop"},
		{"django", "../../examples/django", "app {\n" + `wsgi = "shop.wsgi:application"` + "\n" + python + "\nthreads = 4\n}\nworkers = 1\n", ""},
		{"django below a path", "../../examples/django", "app {\n" + `wsgi = "shop.wsgi:application"` + "\n" + python + "\n" + `mount = "/shop"` + "\n}\nworkers = 1\n", "/shop"},
		{"flask on gevent", "../../examples/flask", "app {\n" + `wsgi = "app:app"` + "\n" + python + "\n" + `worker_class = "gevent"` + "\n}\nworkers = 1\n", ""},
	} {
		t.Run(app.name, func(t *testing.T) {
			if testing.Short() && app.name != "flask" {
				t.Skip("one framework stands for all in a short run")
			}
			s := open(t, app.dir, app.hcl, app.mount)
			for _, p := range protocols {
				t.Run(p, func(t *testing.T) { use(t, s.client(p), p, app.mount) })
			}
		})
	}
}

// use does what a visitor does.
func use(t *testing.T, c *http.Client, protocol, mount string) {
	spoken, _, _ := strings.Cut(protocol, "-")
	status, got := answer(t, c, request("GET", mount+"/", nil))
	if status != 200 || got["protocol"] != spoken || got["user"] != nil || got["root"] != mount {
		t.Errorf("page: %d %v", status, got)
	}
	form := strings.NewReader(url.Values{"user": {"ada"}}.Encode())
	status, got = answer(t, c, request("POST", mount+"/login", form, "Content-Type", "application/x-www-form-urlencoded"))
	if status != 200 || got["user"] != "ada" {
		t.Errorf("login, redirect, page: %d %v", status, got)
	}
	status, got = answer(t, c, request("GET", mount+"/echo/caf%C3%A9%20%26%3F/x", nil, "X-Word", "d\xe9j\xe0"))
	if status != 200 || got["path"] != "café &?/x" || got["header"] != "déjà" {
		t.Errorf("echo: %d %q", status, got)
	}
	if status, _ = answer(t, c, request("GET", mount+"/fail", nil)); status != 500 {
		t.Errorf("error page: %d", status)
	}
	if status, _ = answer(t, c, request("GET", mount+"/not/there", nil)); status != 404 {
		t.Errorf("unknown page: %d", status)
	}
	size := 100 << 20
	if testing.Short() {
		size = 5 << 20
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	status, got = answer(t, c, request("PUT", mount+"/upload", bytes.NewReader(data)))
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); status != 200 || got["sha256"] != sum || got["size"] != float64(size) {
		t.Errorf("upload: %d %v", status, got)
	}
	r, err := c.Do(request("GET", fmt.Sprintf("%s/download/%d", mount, size), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); n != int64(size) || err != nil {
		t.Errorf("download: %d bytes, %v", n, err)
	}
}

// Reloads, good and broken, under load: no request fails.
func TestReloadUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the machine for a while")
	}
	s := open(t, "../../examples/flask", "app {\n wsgi = \"app:app\"\n python = \""+interpreter+"\"\n}\nworkers = 2\n", "")
	end := s.load()
	good, err := os.ReadFile(s.dir + "/app.py")
	if err != nil {
		t.Fatal(err)
	}
	reload := func() error {
		out, err := s.try("reload")
		t.Logf("%s", out)
		return err
	}
	for i := range 6 {
		switch i {
		case 2:
			s.write("app.py", "import flask\nraise RuntimeError('a broken deploy')\n")
			if err := reload(); err == nil {
				t.Error("a broken deploy was accepted")
			}
			s.write("app.py", string(good))
		case 4:
			s.write("app.py", "import time\ntime.sleep(2)\n"+string(good))
			fallthrough
		default:
			if err := reload(); err != nil {
				t.Errorf("reload: %v", err)
			}
		}
	}
	end()
}

// load sends requests over all protocols until end is called, which fails the test
// for each one that was not answered with 200.
func (s *site) load() (end func()) {
	t := s.t
	var served, failed atomic.Int64
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for _, p := range protocols {
		for range 2 {
			wait.Go(func() {
				c := s.client(p)
				for {
					select {
					case <-stop:
						return
					default:
					}
					for _, q := range []*http.Request{request("GET", "/", nil), request("PUT", "/upload", strings.NewReader("small"))} {
						r, err := c.Do(q)
						if err == nil {
							io.Copy(io.Discard, r.Body)
							r.Body.Close()
						}
						if served.Add(1); err != nil || r.StatusCode != 200 {
							failed.Add(1)
							t.Errorf("%s %s over %s: %v %v", q.Method, q.URL.Path, p, r, err)
							return
						}
					}
				}
			})
		}
	}
	return func() {
		close(stop)
		wait.Wait()
		t.Logf("%d requests, %d failed", served.Load(), failed.Load())
		if served.Load() < 500 {
			t.Errorf("only %d requests: this test shows nothing", served.Load())
		}
	}
}

// TestRecycleUnderLoad replaces workers by the number of their requests.
func TestRecycleUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the machine for a while")
	}
	s := open(t, "../../examples/flask", "app {\n wsgi = \"app:app\"\n python = \""+interpreter+"\"\n}\nworkers = 2\nmax_requests = 300\nmax_requests_jitter = 100\n", "")
	end := s.load()
	deadline := time.Now().Add(60 * time.Second)
	for strings.Count(s.log.String(), `reason="max requests"`) < 6 {
		if time.Now().After(deadline) {
			t.Error("not six workers were recycled")
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	end()
}

// TestStopServesTheQueue stops two one-thread workers while requests wait in the
// accept queue.
func TestStopServesTheQueue(t *testing.T) {
	s := open(t, "testdata", "app {\n wsgi = \"suite:application\"\n python = \""+interpreter+"\"\n}\nworkers = 2\n", "")
	gate := filepath.Join(t.TempDir(), "gate")
	var wait sync.WaitGroup
	for range 12 {
		wait.Go(func() {
			c, err := net.Dial("unix", s.dir+"/app.sock")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(60 * time.Second))
			fmt.Fprintf(c, "GET /hold?%s HTTP/1.0\r\n\r\n", gate)
			if b, err := io.ReadAll(c); !strings.Contains(string(b), " 200 ") {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	for deadline := time.Now().Add(30 * time.Second); queued(t, s) < 4; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing waits in the accept queue")
			break
		}
	}
	s.appd.Process.Signal(syscall.SIGTERM)
	s.logged("stopping")
	touch(t, gate)
	wait.Wait()
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

// A quick request on a kept connection does not wait for the worker that has it, if
// that one is busy and another is free.
func TestKeptConnectionsMoveToFreeWorkers(t *testing.T) {
	s := open(t, "testdata", "app {\n wsgi = \"suite:application\"\n python = \""+interpreter+"\"\n}\nworkers = 2\n", "")
	ask := func(protocol, path string) {
		r, err := s.client(protocol).Get("http://site.example" + path)
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Body.Close()
		if b, _ := io.ReadAll(r.Body); r.StatusCode != 200 {
			t.Errorf("%s over %s: %d %s", path, protocol, r.StatusCode, b)
		}
	}
	for _, p := range []string{"fastcgi-keep", "http-keep"} {
		var wait sync.WaitGroup
		for range 8 { // kept connections to both workers
			wait.Go(func() { ask(p, "/sleep?0.1") })
		}
		wait.Wait()
		rounds := 3
		if testing.Short() {
			rounds = 1
		}
		for range rounds {
			gate := filepath.Join(t.TempDir(), "gate")
			ended := make(chan struct{})
			go func() {
				ask(p, "/hold?"+gate)
				close(ended)
			}()
			s.inFlight("/hold?" + gate)
			for range 20 {
				wait.Go(func() { ask(p, "/generator") })
			}
			wait.Wait() // or they would wait for the gate, and fail
			touch(t, gate)
			<-ended
		}
	}
}

// inFlight waits until a request is inside the application.
func (s *site) inFlight(target string) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(s.verb("status", "--json"), target); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is not in flight", target)
		}
	}
}

// logged waits until appd's log holds text.
func (s *site) logged(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !strings.Contains(s.log.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not in the log of appd: %q", text)
		}
	}
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
