// worker_class = "gevent": many requests wait in one thread.

package python_test

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

func gevent(h *handoff.Handoff) { h.Python.WorkerClass = "gevent" }

func TestGevent(t *testing.T) {
	w := launch(t, options{
		files: map[string]string{"app.py": `
import os, time, socket
from wsgiref.validate import validator
def plain(environ, start_response):
    if environ["PATH_INFO"] == "/big":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 65536 for _ in range(400))
    while environ["QUERY_STRING"] and not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"slept"]
application = validator(plain)
`},
		settings: map[string]any{"worker_connections": 1100},
		change:   gevent,
	})
	w.await(handoff.Ready)
	gate := filepath.Join(t.TempDir(), "gate")
	var wait sync.WaitGroup
	for range 1000 {
		wait.Go(func() {
			if status, body := w.get("/?" + gate); status != 200 || body != "slept" {
				t.Errorf("%d %q", status, body)
			}
		})
	}
	w.busy(1000)
	touch(t, gate)
	wait.Wait()
	slow := dial(t, w)
	fmt.Fprint(slow, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
	w.busy(1)
	if status, body := w.get("/big"); status != 200 || len(body) != 400*65536 {
		t.Errorf("%d, %d bytes", status, len(body))
	}
	w.send(handoff.Message{Kind: handoff.Stop, Grace: handoff.Duration(time.Second)}, false)
	w.ended()
}

// One greenlet reads the body while another answers, and each waits for the client.
func TestGreenletsReadAndAnswer(t *testing.T) {
	const up, down = 100 << 16, 200 << 16
	w := start(t, options{
		files: map[string]string{"app.py": fmt.Sprintf(`
import gevent
def application(environ, start_response):
    write = start_response("200 OK", [])
    got = []
    def read():
        for data in iter(lambda: environ["wsgi.input"].read(65536), b""):
            got.append(len(data))
    reader = gevent.spawn(read)
    for _ in range(%d // 65536):
        write(b"y" * 65536)
        gevent.sleep(0)
    reader.join()
    return [b"%%d" %% sum(got)]
`, down)},
		settings: map[string]any{"body_spool": false},
		change:   gevent,
	})
	c := dial(t, w)
	c.SetDeadline(time.Now().Add(patience))
	go func() {
		fmt.Fprintf(c, "POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n", up)
		for range up >> 16 {
			c.Write(make([]byte, 1<<16))
			time.Sleep(time.Millisecond) // so that there is something to wait for
		}
	}()
	b, err := io.ReadAll(c)
	if _, body, _ := strings.Cut(string(b), "\r\n\r\n"); err != nil || body != strings.Repeat("y", down)+fmt.Sprint(up) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

// A child that a greenlet forks does its own work, waiting for it too; the requests of
// others that it finds in itself are its parent's.
func TestGreenletsFork(t *testing.T) {
	w := start(t, options{
		files: map[string]string{"app.py": `
import multiprocessing, os, time
fork = multiprocessing.get_context("fork")
def work(gate):
    while not os.path.exists(gate + ".ends"):
        time.sleep(0.01)
def application(environ, start_response):
    gate = environ["QUERY_STRING"]
    result = os.getpid()
    if environ["PATH_INFO"] == "/fork":
        child = fork.Process(target=work, args=(gate,))
        child.start()
        open(gate + ".forked", "w").close()
        while child.is_alive():
            time.sleep(0.01)
        result = child.exitcode
    while gate and not os.path.exists(gate):
        time.sleep(0.01)
    start_response("200 OK", [])
    return [b"%d" % result]
`},
		change: gevent,
	})
	gate := filepath.Join(t.TempDir(), "gate")
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			if status, body := w.get("/?" + gate); status != 200 || body != fmt.Sprint(w.cmd.Process.Pid) {
				t.Errorf("a neighbour: %d %q", status, body)
			}
		})
	}
	w.busy(3)
	wait.Go(func() {
		if status, body := w.get("/fork?" + gate); status != 200 || body != "0" {
			t.Errorf("exit status of the child: %d %q", status, body)
		}
	})
	eventually(t, "a child", func() bool { return exists(gate + ".forked") })
	touch(t, gate) // the neighbours come back in the child too
	for range 20 {
		w.get("/")
	}
	touch(t, gate+".ends")
	wait.Wait()
	if out := w.output.String(); out != "" {
		t.Errorf("printed:\n%s", out)
	}
}
