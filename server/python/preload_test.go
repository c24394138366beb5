// preload_app: the process that imports, and the workers that it forks.

package python_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

func TestPreload(t *testing.T) {
	dir := t.TempDir()
	w := launch(t, options{
		files: map[string]string{"app.py": `
import multiprocessing, os, threading, time
imported = os.getpid()
count = multiprocessing.Value("i", 0)
queue = multiprocessing.Queue()
def tick():
    while True:
        with count.get_lock():
            count.value += 1
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
child = multiprocessing.Process(target=time.sleep, args=(1000,), daemon=True)
child.start()
def application(environ, start_response):
    queue.put(os.getpid())
    start_response("200 OK", [])
    return [("%d %d %d %d %d" % (imported, os.getpid(), os.getppid(), count.value, queue.get(timeout=60))).encode()]
`},
		change: func(h *handoff.Handoff) { h.Python.Preload = true },
	})
	if m := w.await(handoff.Ready); m.Kind != handoff.Ready {
		t.Fatalf("%+v", m)
	}
	for range 2 {
		worker := w.fork(dir)
		_, body := worker.get("/")
		var imported, pid, parent, count, queued int
		if n, _ := fmt.Sscan(body, &imported, &pid, &parent, &count, &queued); n != 5 || count == 0 || imported != w.cmd.Process.Pid || pid == imported || queued != pid {
			t.Errorf("%q", body)
		}
		if group, _ := unix.Getpgid(pid); group != pid {
			t.Errorf("the worker is in the group %d", group)
		}
		worker.send(handoff.Message{Kind: handoff.Drain}, false)
		for range worker.message { // until the worker has closed its end
		}
		if out := worker.output.String(); strings.Contains(out, "Traceback") {
			t.Errorf("the worker's end:\n%s", out)
		}
	}
	w.conn.Close()
	if err := w.ended(); err != nil {
		t.Errorf("the preload process: %v", err)
	}
}

// fork orders a worker of a preload process.
func (w *worker) fork(dir string) *worker {
	w.t.Helper()
	n := &worker{t: w.t, socket: filepath.Join(dir, fmt.Sprintf("s%d", time.Now().UnixNano())), message: make(chan handoff.Message, 64)}
	fd := listen(w.t, n.socket)
	defer unix.Close(fd)
	up, end, err := handoff.Socketpair()
	if err != nil {
		w.t.Fatal(err)
	}
	n.conn = up
	w.t.Cleanup(func() { up.Close() }) // and the worker leaves
	defer end.Close()
	out, err := os.Create(n.socket + ".out")
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	path, _ := engine()
	h := handoff.Handoff{Version: handoff.Version, Name: "test", Workers: 1, Control: 1,
		Listeners: []handoff.Listener{{FD: 2, Address: "unix:" + n.socket}}, Python: &handoff.Python{App: "app:application", Engine: path}}
	text, _ := json.Marshal(h)
	if err := w.conn.Send(handoff.Message{Kind: handoff.Fork, Handoff: text, Env: []string{"APPD_X=1"}}, int(end.Fd()), fd, int(out.Fd()), int(out.Fd())); err != nil {
		w.t.Fatal(err)
	}
	if m := w.await(handoff.Forked); m.PID == 0 {
		w.t.Fatalf("%+v", m)
	}
	end.Close()
	go n.receive()
	if m := n.await(handoff.Ready); m.Kind != handoff.Ready {
		w.t.Fatalf("%+v", m)
	}
	return n
}

// A reload imports afresh, in a new process; the one before ends with its workers.
func TestPreloadIsReloaded(t *testing.T) {
	s := prepare(t, "", config("app", "preload_app = true", "workers = 2"))
	page := func(text string) string {
		return `
import os
imported = os.getpid()
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"` + text + ` %d" % imported]
`
	}
	s.write("app.py", page("one"))
	s.begin()
	s.ready(2)
	var before, after int
	if n, _ := fmt.Sscanf(s.body("/"), "one %d", &before); n != 1 {
		t.Fatal("another page")
	}
	s.write("app.py", page("three"))
	s.verb("reload")
	eventually(t, "the end of the first process that imported", func() bool { return unix.Kill(before, 0) != nil })
	if n, _ := fmt.Sscanf(s.body("/"), "three %d", &after); n != 1 || after == before {
		t.Errorf("imported by %d, before by %d", after, before)
	}
}

// An application may see to its children by itself, or not want to hear of them: the
// preload process forks workers all the same.
func TestPreloadOfWhoReapsChildren(t *testing.T) {
	for name, handler := range map[string]string{
		"ignores": "signal.SIG_IGN",
		"reaps":   "reap",
	} {
		t.Run(name, func(t *testing.T) {
			w := launch(t, options{
				files: map[string]string{"app.py": `
import os, signal
def reap(number, frame):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, ` + handler + `)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"forked"]
`},
				change: func(h *handoff.Handoff) { h.Python.Preload = true },
			})
			w.await(handoff.Ready)
			for range 3 {
				if status, body := w.fork(t.TempDir()).get("/"); status != 200 || body != "forked" {
					t.Errorf("%d %q", status, body)
				}
			}
		})
	}
}
