// Children that the application forks: ordinary processes, which cannot serve.

package python_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

func TestForkedChildren(t *testing.T) {
	w := suite(t, options{})
	pid := 0
	if answer := w.raw("GET /forked HTTP/1.0\r\n\r\n"); !strings.Contains(answer, " 200 ") { // reads to the end of the connection
		t.Fatal(answer)
	} else {
		fmt.Sscan(answer[strings.Index(answer, "\r\n\r\n"):], &pid)
		defer unix.Kill(pid, unix.SIGKILL)
	}
	_, open := w.get("/descriptors")
	for _, what := range []string{"[eventpoll]", "[eventfd]", "memfd"} {
		if strings.Contains(open, what) {
			t.Errorf("a forked child has %s: %s", what, open)
		}
	}
	if n := strings.Count(open, "socket:"); n > 0 {
		t.Errorf("a forked child has %d sockets: %s", n, open)
	}
}

// A child ends as any process of Python's would: it can be terminated, what it
// raises is shown, and one that comes back to the server neither answers nor stays.
func TestForkedChildrenEnd(t *testing.T) {
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprint("threads=", threads), func(t *testing.T) {
			w := start(t, options{
				settings: map[string]any{"threads": threads},
				files: map[string]string{"app.py": `
import multiprocessing, os, sys, time
def terminated():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
    child.start()
    child.terminate()
    child.join()
    return child.exitcode
def ended(child):
    pid = os.fork()
    if pid == 0:
        child()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def raises():
    raise RuntimeError("in the child")
def forks_in_generator():
    yield b"first "
    pid = os.fork()
    if pid == 0:
        yield b"of the child"
    yield b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def application(environ, start_response):
    def reads():
        try:
            environ["wsgi.input"].read(1)
        except RuntimeError as error:
            os._exit("only its parent serves" in str(error))
    def writes():
        start_response("200 OK", [])(b"of the child")
    what = environ["PATH_INFO"][1:]
    if what == "generator":
        start_response("200 OK", [])
        return forks_in_generator()
    if what == "returns":
        pid = os.fork()
        if pid == 0:
            start_response("200 OK", [])
            return [b"of the child"]
        result = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    elif what == "terminated":
        result = terminated()
    else:
        result = ended({"exits": lambda: sys.exit(4), "fails": lambda: sys.exit("no reason"), "raises": raises, "reads": reads, "writes": writes}[what])
    start_response("200 OK", [])
    return [b"%d" % result]
`},
			})
			for what, want := range map[string]string{
				"terminated": "-15", "exits": "4", "fails": "1", "raises": "1", "returns": "1", "reads": "1", "writes": "1", "generator": "first 1",
			} {
				var answer string
				if what == "reads" {
					_, answer, _ = post(w, "/reads", strings.NewReader("body"), 4)
				} else {
					_, answer = w.get("/" + what)
				}
				if answer != want {
					t.Errorf("%s: %q, want %q", what, answer, want)
				}
			}
			w.logged("RuntimeError: in the child")
			w.logged("no reason")
			w.logged("came back to the server")
			if status, _ := w.get("/exits"); status != 200 {
				t.Errorf("afterwards: %d", status)
			}
			w.send(handoff.Message{Kind: handoff.Drain}, false)
			if err := w.ended(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A signal handler may fork as well, between two requests or in one: its child does not
// serve, and runs nothing of the worker's end.
func TestForkInSignalHandler(t *testing.T) {
	w := launch(t, options{
		files: map[string]string{
			"hooks.py": "import os\ndef end(server, worker): print('end of %d;' % os.getpid(), flush=True)\n",
			"app.py": `
import os, signal
def ring(number, frame):
    os.fork()
signal.signal(signal.SIGALRM, ring)
def application(environ, start_response):
    if environ["PATH_INFO"] == "/ring":
        signal.raise_signal(signal.SIGALRM)
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
`},
		change: func(h *handoff.Handoff) { h.Python.Hooks = map[string]string{"worker_exit": "hooks:end"} },
	})
	w.await(handoff.Ready)
	for i := range 4 {
		if i%2 == 0 {
			unix.Kill(w.cmd.Process.Pid, unix.SIGALRM)
		} else if _, body := w.get("/ring"); body != fmt.Sprint(w.cmd.Process.Pid) {
			t.Errorf("answered by %q", body)
		}
		w.printed("came back to the server", i+1)
	}
	w.send(handoff.Message{Kind: handoff.Drain}, false)
	if err := w.ended(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(w.output.String(), "end of "); n != 1 {
		t.Errorf("worker_exit was called %d times", n)
	}
}
