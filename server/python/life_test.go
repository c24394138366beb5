// A worker's life: loading, failing, leaving, being looked at.

package python_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

func TestApplicationsByName(t *testing.T) {
	files := map[string]string{
		"pkg/__init__.py": "",
		"pkg/wsgi.py": `
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"application"]
def create_app(name="none", n=0):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [("%s %d" % (name, n)).encode()]
    return app
class holder:
    app = staticmethod(application)
number = 5
nothing = None
async def starlette(scope, receive, send):
    pass
class FastAPI:
    async def __call__(self, scope, receive, send):
        pass
api = FastAPI()
`,
		"broken.py": "import pkg\n1/0\n",
		"lacks.py":  "import not_installed_anywhere\n",
		"syntax.py": "def (:\n",
		"leaves.py": "import sys\nsys.exit('no database')\n",
	}
	for app, want := range map[string]string{
		"pkg.wsgi:application":          "application",
		"pkg.wsgi":                      "application",
		"pkg.wsgi:holder.app":           "application",
		"pkg.wsgi:create_app()":         "none 0",
		"pkg.wsgi:create_app('x', n=3)": "x 3",
	} {
		w := start(t, options{files: files, app: app})
		status, body := w.get("/")
		if status != 200 || body != want {
			t.Errorf("%s: %d %q", app, status, body)
		}
	}
	for app, want := range map[string]string{
		"pkg.wsgi:missing":         "module pkg.wsgi has no 'missing'; it has application, create_app",
		"pkg.wsgi:number":          "is not callable but 'int'",
		"pkg.wsgi:nothing":         "is None",
		"pkg.wsgi:starlette":       "is an ASGI application, not a WSGI one: run it by exec = [\"uvicorn\", \"--fd\", \"3\", \"pkg.wsgi:starlette\"]",
		"pkg.wsgi:api":             "is an ASGI application",
		"pkg.wsgi:create_app(n=x)": "must be literals",
		"pkg.wsgi:1+":              "neither a name nor a call",
		"pkg/wsgi.py:application":  "for instance pkg.wsgi:application",
		"nowhere.wsgi:app":         "there is no module 'nowhere'",
		"lacks:application":        "No module named 'not_installed_anywhere'",
		"broken:application":       "broken.py\", line 2, in <module>\n    1/0\n",
		"syntax:application":       "SyntaxError",
		"leaves:application":       "SystemExit: no database",
	} {
		w := launch(t, options{files: files, app: app})
		m := w.await(handoff.Failed)
		if m.Kind != handoff.Failed || !strings.Contains(m.Text, want) {
			t.Errorf("%s: %q %q", app, m.Kind, m.Text)
		}
		if strings.Contains(m.Text, "appd_worker") || strings.Contains(m.Text, "importlib") {
			t.Errorf("%s: the traceback shows appd's own frames:\n%s", app, m.Text)
		}
		if err := w.ended(); err == nil || w.cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%s: %v", app, w.cmd.ProcessState)
		}
	}
}

func TestEngineOfAnotherRelease(t *testing.T) {
	w := launch(t, options{change: func(h *handoff.Handoff) { h.Python.Release = "v99.0.0" }})
	if m := w.await(handoff.Failed); !strings.Contains(m.Text, "appd of v99.0.0") {
		t.Errorf("%q", m.Text)
	}
}

// send gives the worker an order, with the write end of a pipe if it wants to report,
// and returns what it reported.
func (w *worker) send(m handoff.Message, report bool) string {
	w.t.Helper()
	if !report {
		if err := w.conn.Send(m); err != nil {
			w.t.Fatal(err)
		}
		return ""
	}
	f, err := os.CreateTemp(w.t.TempDir(), "report")
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if err := w.conn.Send(m, int(f.Fd())); err != nil {
		w.t.Fatal(err)
	}
	if m := w.await(handoff.Done); m.Kind != handoff.Done {
		w.t.Fatalf("%+v", m)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func TestImportThatHangs(t *testing.T) {
	w := launch(t, options{files: map[string]string{"app.py": "import time\ndef never_ends():\n    print('hanging')\n    time.sleep(1000)\nnever_ends()\n"}})
	w.logged("hanging")
	if stacks := w.send(handoff.Message{Kind: handoff.Dump}, true); !strings.Contains(stacks, "in never_ends") {
		t.Errorf("the stacks do not show the import:\n%s", stacks)
	}
}

func TestStacks(t *testing.T) {
	w := suite(t, options{settings: map[string]any{"threads": 2}})
	w.begin("/spin")
	w.busy(1)
	stacks := w.send(handoff.Message{Kind: handoff.Dump}, true)
	if !strings.Contains(stacks, "in spin") {
		t.Errorf("got\n%s", stacks)
	}
	if status, _ := w.get("/generator"); status != 200 {
		t.Error("the worker does not serve after a dump")
	}
	folded := w.send(handoff.Message{Kind: handoff.Profile, Seconds: 1}, true)
	if !strings.Contains(folded, "spin (") {
		t.Errorf("profile:\n%s", folded)
	}
}

// begin starts a request whose answer nobody waits for.
func (w *worker) begin(path string) {
	fmt.Fprintf(dial(w.t, w), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path)
}

// busy waits until n requests are in flight.
func (w *worker) busy(n int) handoff.Snapshot {
	w.t.Helper()
	var s handoff.Snapshot
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := w.view.Read(&s, handoff.Now()); err == nil && len(s.InFlight) == n {
			return s
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d requests in flight, not %d", len(s.InFlight), n)
		}
	}
}

func TestDrainFinishesRequests(t *testing.T) {
	w := suite(t, options{settings: map[string]any{"threads": 3}})
	gate := filepath.Join(t.TempDir(), "gate")
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			if status, body := w.get("/hold?" + gate); status != 200 || !strings.HasPrefix(body, "held") {
				t.Errorf("%d %q", status, body)
			}
		})
	}
	w.busy(3)
	w.send(handoff.Message{Kind: handoff.Drain, Grace: handoff.Duration(10 * time.Second)}, false)
	if m := w.await(handoff.Draining); m.Kind != handoff.Draining {
		t.Errorf("%+v", m)
	}
	touch(t, gate)
	wait.Wait()
	if err := w.ended(); err != nil {
		t.Errorf("%v", err)
	}
}

// Development hears of the application's files, now and later, and of no others.
func TestLoadedFiles(t *testing.T) {
	w := launch(t, options{
		files: map[string]string{
			"app.py":   "import json\ndef application(environ, start_response):\n    import later\n    start_response('200 OK', [])\n    return []\n",
			"later.py": "",
		},
		change: func(h *handoff.Handoff) { h.Dev = true },
	})
	w.await(handoff.Ready)
	if m := w.await(handoff.Watch); len(m.Files) != 1 || filepath.Base(m.Files[0]) != "app.py" {
		t.Errorf("first %q", m.Files)
	}
	w.get("/")
	if m := w.await(handoff.Watch); len(m.Files) != 1 || filepath.Base(m.Files[0]) != "later.py" {
		t.Errorf("later %q", m.Files)
	}
}

func TestSupervisorDies(t *testing.T) {
	w := suite(t, options{})
	w.conn.Close()
	if err := w.ended(); err != nil {
		t.Errorf("%v", err)
	}
}

func TestTermBySomebody(t *testing.T) {
	w := suite(t, options{})
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGINT} {
		unix.Kill(w.cmd.Process.Pid, s)
	}
	if status, _ := w.get("/generator"); status != 200 {
		t.Errorf("after stray signals: %d", status)
	}
	unix.Kill(w.cmd.Process.Pid, unix.SIGTERM)
	if m := w.await(handoff.Draining); m.Reason != "SIGTERM from somebody else" {
		t.Errorf("draining: %+v", m)
	}
	if err := w.ended(); err != nil {
		t.Errorf("%v", err)
	}
}

// One that was alone when it started, and is not any more, leaves its connections to
// the others.
func TestTermAfterAResize(t *testing.T) {
	w := suite(t, options{change: func(h *handoff.Handoff) { h.Workers = 1 }})
	keptHTTP(t, w)()
	w.conn.Send(handoff.Message{Kind: handoff.Resize, Workers: 2})
	w.send(handoff.Message{Kind: handoff.Dump}, true) // behind the other
	unix.Kill(w.cmd.Process.Pid, unix.SIGTERM)
	if err := w.ended(); err != nil {
		t.Errorf("%v", err)
	}
	for range w.message { // to the end of what it said
	}
	if n := w.passed.Load(); n != 1 {
		t.Errorf("%d connections were passed on, want 1", n)
	}
}

// A signal handler of the application's that raises between two requests does not
// end the worker; one that exits lets it leave in order.
func TestHandlersOfTheApplication(t *testing.T) {
	w := start(t, options{files: map[string]string{"app.py": `
import signal, sys
def ring(number, frame):
    raise TimeoutError("rang")
signal.signal(signal.SIGALRM, ring)
signal.signal(signal.SIGUSR1, lambda number, frame: sys.exit(5))
def application(environ, start_response):
    start_response("200 OK", [])
    return []
`}})
	for range 3 {
		if status, _ := w.get("/"); status != 200 {
			t.Error(status)
		}
		rang := strings.Count(w.output.String(), "TimeoutError: rang")
		unix.Kill(w.cmd.Process.Pid, unix.SIGALRM)
		w.printed("TimeoutError: rang", rang+1)
	}
	unix.Kill(w.cmd.Process.Pid, unix.SIGUSR1)
	if m := w.await(handoff.Draining); m.Reason != "its own code" {
		t.Errorf("draining: %+v", m)
	}
	if err := w.ended(); err != nil {
		t.Error(err)
	}
	w.logged("a signal handler asked the worker to end")
}

// A stopped process finds all its signals at once when it goes on, each handled on
// top of the one before.
func TestManySignalsAtOnce(t *testing.T) {
	w := start(t, options{files: map[string]string{"app.py": `
import signal
seen = set()
for name in "ALRM", "VTALRM", "IO", "PWR":
    signal.signal(getattr(signal, "SIG" + name), lambda number, frame: seen.add(number))
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % len(seen)]
`}})
	w.suspend()
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGINT,
		unix.SIGALRM, unix.SIGVTALRM, unix.SIGIO, unix.SIGPWR, unix.SIGCONT} {
		unix.Kill(w.cmd.Process.Pid, s)
	}
	if status, body := w.get("/"); status != 200 || body != "4" {
		t.Errorf("%d, %q of the application's four were handled", status, body)
	}
}

// suspend stops the process until it gets a SIGCONT.
func (w *worker) suspend() {
	w.t.Helper()
	unix.Kill(w.cmd.Process.Pid, unix.SIGSTOP)
	eventually(w.t, "the worker stands still", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
		return strings.Contains(string(b), "State:\tT")
	})
}

// An application that closes descriptors which are not its own is told so.
func TestDescriptorsClosedByTheApplication(t *testing.T) {
	w := start(t, options{files: map[string]string{"app.py": "import os, appd_engine\ndef application(environ, start_response):\n    os.close(appd_engine.fileno())\n    start_response('200 OK', [])\n    return []\n"}})
	w.begin("/")
	if err := w.ended(); err == nil {
		t.Error("the worker ended as if nothing had happened")
	}
	w.logged("has the application closed descriptors")
}

func TestScoreboard(t *testing.T) {
	w := suite(t, options{settings: map[string]any{"threads": 2, "timeout": "20s"}})
	gate := filepath.Join(t.TempDir(), "gate")
	w.begin("/hold?" + gate)
	s := w.busy(1)
	touch(t, gate)
	if f := s.InFlight[0]; f.Method != "GET" || f.Target != "/hold?"+gate || f.Limit != 20*time.Second {
		t.Errorf("%+v", f)
	}
	if status, body := w.get("/timeout?50"); status != 200 || body != "still here" {
		t.Errorf("%d %q", status, body)
	}
}

// A crash in C prints Python's stack.
func TestCrash(t *testing.T) {
	w := suite(t, options{})
	w.begin("/crash")
	w.ended()
	if !strings.Contains(w.output.String(), "in crash") || !strings.Contains(w.output.String(), "Segmentation fault") {
		t.Errorf("no stack of Python's in the output")
	}
}

func TestHooks(t *testing.T) {
	w := launch(t, options{
		files: map[string]string{
			"hooks.py": `
import sys
def say(*words):
    print(*words, file=sys.stderr, flush=True)
def post_fork(server, worker): say("post_fork", server.pid > 0, worker.pid > 0, worker.age)
def post_worker_init(worker): say("post_worker_init"); worker.log.info("through worker.log")
def pre_request(worker, req): say("pre_request", req.method, req.path, req.query, dict(req.headers)["HOST"])
def post_request(worker, req, environ, resp): say("post_request", req.path, environ["REQUEST_METHOD"], resp.status, dict(resp.headers), resp.sent)
def worker_int(worker): say("worker_int")
def worker_abort(worker): say("worker_abort"); raise ValueError("a hook that fails")
def worker_exit(server, worker): say("worker_exit")
`,
			"app.py": `
import sys
print("loading", file=sys.stderr)
def application(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        raise RuntimeError
    start_response("202 Accepted", [("X-A", "b")])
    return [b"12345"]
`},
		change: func(h *handoff.Handoff) {
			h.Python.Hooks = map[string]string{}
			for _, name := range []string{"post_fork", "post_worker_init", "pre_request", "post_request", "worker_int", "worker_abort", "worker_exit"} {
				h.Python.Hooks[name] = "hooks:" + name
			}
		},
	})
	w.await(handoff.Ready)
	w.get("/x?y")
	w.get("/raise")
	w.logged("post_request /raise GET 500")
	w.send(handoff.Message{Kind: handoff.Dump, Reason: "timeout"}, true)
	w.logged("hook worker_abort failed")
	w.send(handoff.Message{Kind: handoff.Stop, Grace: handoff.Duration(time.Second)}, false)
	w.ended()
	var last int
	for _, want := range []string{"post_fork True True 2", "loading", "post_worker_init", "through worker.log", "pre_request GET /x y test.example",
		"post_request /x GET 202 Accepted {'X-A': 'b'} 5", "pre_request GET /raise", "post_request /raise GET 500", "worker_abort", "worker_exit"} {
		i := strings.Index(w.output.String()[last:], want)
		if i < 0 {
			t.Fatalf("%q is missing, or comes too early", want)
		}
		last += i
	}
	if !strings.Contains(w.output.String(), "worker_int") {
		t.Error("worker_int was not called")
	}
}

func TestLoggers(t *testing.T) {
	w := start(t, options{files: map[string]string{"app.py": `
import logging
gunicorn = logging.getLogger("gunicorn.error")
logger = logging.getLogger("shop")
logger.handlers = gunicorn.handlers
logger.setLevel(gunicorn.level)
def application(environ, start_response):
    logger.info("seen by gunicorn's handlers")
    logger.debug("too quiet")
    print("printed")
    environ["wsgi.errors"].write("to wsgi.errors\n")
    start_response("200 OK", [])
    return []
`}})
	w.get("/")
	w.logged("[INFO] seen by gunicorn's handlers")
	w.logged("printed")
	w.logged("to wsgi.errors")
	if strings.Contains(w.output.String(), "too quiet") {
		t.Error("a debug line at level info")
	}
}

func TestSpew(t *testing.T) {
	w := launch(t, options{files: map[string]string{"app.py": "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'traced']\n"}, change: func(h *handoff.Handoff) { h.Python.Spew = true }})
	w.await(handoff.Ready)
	w.get("/")
	w.logged("return [b'traced']")
}

// Slow clients hold no thread: with one thread, requests pass one that is still
// arriving, and idle kept connections.
func TestSlowRequestsHoldNoThread(t *testing.T) {
	w := suite(t, options{})
	for range 5 {
		c := dial(t, w)
		fmt.Fprint(c, "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\npart")
		k := dial(t, w)
		fmt.Fprint(k, "GET /generator HTTP/1.1\r\nHost: h\r\n\r\n")
	}
	if status, _ := w.get("/generator"); status != 200 {
		t.Error(status)
	}
}

// While every thread is inside the application, bytes go on moving: an upload that had
// begun arrives.
func TestMover(t *testing.T) {
	w := suite(t, options{})
	rest := bytes.Repeat([]byte("x"), 3<<20)
	c := dial(t, w)
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "POST /read HTTP/1.0\r\nContent-Length: %d\r\n\r\nbegun", len("begun")+len(rest))
	w.open(1)
	gate := filepath.Join(t.TempDir(), "gate")
	w.begin("/hold?" + gate)
	w.busy(1)
	if _, err := c.Write(rest); err != nil {
		t.Errorf("while the thread is busy: %v", err)
	}
	touch(t, gate)
	answer, err := io.ReadAll(c)
	if _, body, _ := strings.Cut(string(answer), "\r\n\r\n"); err != nil || !strings.HasPrefix(body, fmt.Sprint(len("begun")+len(rest))) {
		t.Errorf("%q %v", answer, err)
	}
}

// open waits until n connections are open.
func (w *worker) open(n int64) {
	w.t.Helper()
	var s handoff.Snapshot
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if err := w.view.Read(&s, handoff.Now()); err == nil && s.Gauges[handoff.Open] == n {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d connections are open, not %d", s.Gauges[handoff.Open], n)
		}
	}
}
