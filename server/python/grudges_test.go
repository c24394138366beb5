// Applications that are hard on the engine: what they may do, and what they must not
// be able to break.

package python_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
)

// Collecting garbage runs code of the application's, and other threads meanwhile, in
// the middle of building an environ: each is its request's own all the same.
func TestEnvironsWhileGarbageIsCollected(t *testing.T) {
	w := start(t, options{settings: map[string]any{"threads": 4}, files: map[string]string{"app.py": `
import gc, time
class Slow:
    def __init__(self):
        self.itself = self
    def __del__(self):
        time.sleep(0.0002)
class Result(list):
    def close(self):
        Slow()  # garbage that the next environ finds
gc.set_threshold(1, 1, 1)
held = []
def application(environ, start_response):
    held.append([environ] + [{} for _ in range(100)])  # no dict is left to be used again
    wrong = [k for k, v in environ.items() if k.startswith("HTTP_X_") and v != k]
    names = sorted(k for k in environ if k.startswith("HTTP_X_"))
    start_response("200 OK", [])
    return Result([(",".join(names) + " wrong: " + repr(wrong)).encode()])
`}})
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := range 60 {
				// More sets of names than there are templates, of the same length.
				kind := string(rune('A' + (c+i)%8))
				fields, want := "", ""
				for n := range 4 {
					fields += fmt.Sprintf("X-%s%d: HTTP_X_%s%d\r\n", kind, n, kind, n)
					want += fmt.Sprintf("HTTP_X_%s%d,", kind, n)
				}
				answer := w.raw("GET / HTTP/1.0\r\n" + fields + "\r\n")
				if _, body, _ := strings.Cut(answer, "\r\n\r\n"); body != strings.TrimSuffix(want, ",")+" wrong: []" {
					t.Errorf("%q", answer)
					return
				}
			}
		})
	}
	clients.Wait()
}

// An application may do to its environ what it likes: its exception is logged, and
// both hooks see the request.
func TestEnvironThatIsEmptied(t *testing.T) {
	w := launch(t, options{
		files: map[string]string{
			"hooks.py": "def before(worker, req): print('before', req.path)\ndef after(worker, req, environ, resp): print('after', req.path, resp.status, flush=True)\n",
			"app.py":   "def application(environ, start_response):\n    environ.clear()\n    raise RuntimeError('with an empty environ')\n",
		},
		change: func(h *handoff.Handoff) {
			h.Python.Hooks = map[string]string{"pre_request": "hooks:before", "post_request": "hooks:after"}
		},
	})
	w.await(handoff.Ready)
	if status, _ := w.get("/page"); status != 500 {
		t.Error(status)
	}
	w.logged("RuntimeError: with an empty environ")
	w.logged("after /page 500")
	if out := w.output.String(); strings.Count(out, "before /page") != 1 || strings.Contains(out, "KeyError") {
		t.Error("hooks, or another exception")
	}
}

// However many requests there were, of every kind, and however many names of fields
// clients have made up, the worker does not grow.
func TestWorkersDoNotGrow(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for _, name := range []string{"python3", "python3.9", "python3.10", "python3.12", "python3.13", "python3.14"} {
		path, err := exec.LookPath(name)
		if err != nil || exec.Command(path, "-c", "").Run() != nil {
			continue // which versions a machine has is its own business
		}
		t.Run(name, func(t *testing.T) {
			w := suite(t, options{python: path})
			c := dial(t, w)
			r := bufio.NewReader(c)
			ask := func(path, fields string) {
				fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, fields)
				answer, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				io.Copy(io.Discard, answer.Body)
			}
			mixed := func(n int) {
				paths := []string{"many", "write", "generator", "unchecked_generator", "error_page", "environ?HTTP_HOST", "headers", "status?204", "memory_file"}
				for i := range n {
					ask(paths[i%len(paths)], fmt.Sprintf("X-%d: a\r\n", i%7))
				}
			}
			made := 0
			names := func(n int) {
				for range n {
					var fields strings.Builder
					for range 90 {
						made++
						fmt.Fprintf(&fields, "X-%d: a\r\n", made)
					}
					ask("many", fields.String())
				}
			}
			mixed(rounds / 10)
			names(rounds / 100)
			before := rss(t, w.cmd.Process.Pid)
			mixed(rounds)
			names(rounds / 5)
			if grown := rss(t, w.cmd.Process.Pid) - before; grown > 10<<10 {
				t.Errorf("the worker grew by %d KiB", grown)
			}
		})
	}
}

// An application may put another page into the list that it has returned, from another
// thread: what is being sent stays as it was.
func TestPageThatIsReplacedWhileItIsSent(t *testing.T) {
	w := start(t, options{settings: map[string]any{"threads": 2}, files: map[string]string{"app.py": `
import itertools, threading, time
page = [b"0" * (4 << 20)]
def replace():
    for n in itertools.count():
        page[0] = b"%d" % (n % 10) * (4 << 20)
        time.sleep(0)
threading.Thread(target=replace, daemon=True).start()
def application(environ, start_response):
    start_response("200 OK", [])
    return page
`}})
	for range 20 {
		status, body := w.get("/")
		if status != 200 || len(body) != 4<<20 || strings.Count(body, body[:1]) != len(body) {
			t.Fatalf("%d, %d bytes", status, len(body))
		}
	}
}

// An application may hand write() to a thread that does not stop: the answer ends when
// the application returns, and nothing gets into another one.
func TestAnswersGivenByTwoThreads(t *testing.T) {
	w := start(t, options{settings: map[string]any{"threads": 4}, files: map[string]string{"app.py": `
import itertools, threading
count = itertools.count()
def application(environ, start_response):
    mine = b"<%d>" % next(count)
    write = start_response("200 OK", [("X-Mine", mine.decode())])
    go = threading.Event()
    def other():
        go.wait()
        try:
            while True:
                write(mine)
        except (RuntimeError, OSError):
            pass
    threading.Thread(target=other, daemon=True).start()
    go.set()
    return [mine] if environ["PATH_INFO"] == "/list" else (mine for _ in range(3))
`}})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for i := range 100 {
				r, err := w.client().Get("http://test.example/" + []string{"list", "items"}[i%2])
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(r.Body) // one that fell short is broken off
				r.Body.Close()
				if mine := r.Header.Get("X-Mine"); r.StatusCode != 200 || strings.ReplaceAll(string(body), mine, "") != "" {
					t.Errorf("%s %s: %.100q", r.Status, mine, body)
				}
			}
		})
	}
	clients.Wait()
}

// What an application keeps of a request that is over raises, and touches no other.
func TestThingsKeptBeyondTheRequest(t *testing.T) {
	for _, size := range []int{40, 3 << 20} { // in memory, in a file
		for _, spool := range []bool{true, false} {
			w := start(t, options{settings: map[string]any{"body_spool": spool}, files: map[string]string{"app.py": `
kept = []
def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        kept.extend([environ, start_response, start_response("200 OK", [])])
        return [environ["wsgi.input"].readline()]
    before, start, write = kept
    body = before["wsgi.input"]
    seen = []
    for attempt in (body.read, lambda: body.read(1 << 20), body.readlines, lambda: list(body), lambda: start("200 OK", []), lambda: write(b"x")):
        try:
            seen.append(repr(attempt()))
        except (ValueError, RuntimeError) as error:
            seen.append(type(error).__name__)
    before["appd.timeout"](1)
    start_response("200 OK", [])
    return [" ".join(seen).encode()]
`}})
			if status, body, err := post(w, "/", strings.NewReader(strings.Repeat("four\n", size/5)), int64(size/5*5)); status != 200 || body != "four\n" {
				t.Fatalf("%d %q %v", status, body, err)
			}
			for range 2 {
				if _, body := w.get("/"); body != "ValueError ValueError ValueError ValueError RuntimeError RuntimeError" {
					t.Errorf("%d bytes, body_spool %v: %s", size, spool, body)
				}
			}
		}
	}
}
