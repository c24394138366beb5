// Flask and Django behind a real nginx, over each protocol, run by the real appd.

package python_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// flask is the configuration of examples/flask.
var flask = config("app:app", "", "workers = 2")

func TestFrameworksBehindNginx(t *testing.T) {
	for _, app := range []struct{ name, dir, hcl, mount string }{
		{"flask", "flask", flask, ""},
		{"flask below a path", "flask", config("app:app", `mount = "/shop"`, "workers = 2"), "/shop"},
		{"django", "django", config("shop.wsgi:application", "threads = 4", "workers = 1"), ""},
		{"django below a path", "django", config("shop.wsgi:application", `mount = "/shop"`, "workers = 1"), "/shop"},
		{"flask on gevent", "flask", config("app:app", `worker_class = "gevent"`, "workers = 1"), ""},
	} {
		t.Run(app.name, func(t *testing.T) {
			if testing.Short() && app.name != "flask" {
				t.Skip("one framework stands for all in a short run")
			}
			s := open(t, "../../examples/"+app.dir, app.hcl, app.mount)
			for _, p := range protocols {
				t.Run(p, func(t *testing.T) { use(t, s.client(p), p, app.mount) })
			}
		})
	}
}

// use does what a visitor does.
func use(t *testing.T, c *http.Client, protocol, mount string) {
	spoken, _, _ := strings.Cut(protocol, "-")
	if mount == "" { // several threads or workers: the others answer meanwhile
		streamed := make(chan string)
		go func() { streamed <- whole(c, "/stream") }()
		defer func() {
			if body := <-streamed; body != "line 0\nline 1\nline 2\nline 3\nline 4\n" {
				t.Errorf("stream: %q", body)
			}
		}()
	}
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
	file := data[:3<<20]
	status, got = answer(t, c, formWith(file, mount+"/upload"))
	if sum := fmt.Sprintf("%x", sha256.Sum256(file)); status != 200 || got["sha256"] != sum {
		t.Errorf("upload by a form: %d %v", status, got)
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

// whole is the body of an answer, or what went wrong.
func whole(c *http.Client, target string) string {
	r, err := c.Do(request("GET", target, nil))
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// formWith is what a browser sends for a form with a file.
func formWith(file []byte, target string) *http.Request {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "f.bin")
	if err != nil {
		panic(err) // a mistake in the test
	}
	part.Write(file)
	w.Close()
	return request("POST", target, &form, "Content-Type", w.FormDataContentType())
}

// TestStopServesTheQueue stops two one-thread workers while requests wait in the
// accept queue.
func TestStopServesTheQueue(t *testing.T) {
	s := open(t, "testdata", config("suite:application", "", "workers = 2"), "")
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
	eventually(t, "four in the accept queue", func() bool { return queued(t, s) >= 4 })
	s.appd.Process.Signal(syscall.SIGTERM)
	s.logged("stopping")
	touch(t, gate)
	wait.Wait()
}

// A quick request on a kept connection does not wait for the worker that has it, if
// that one is busy and another is free.
func TestKeptConnectionsMoveToFreeWorkers(t *testing.T) {
	s := open(t, "testdata", config("suite:application", "", "workers = 2"), "")
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
