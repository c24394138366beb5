// Several threads, connections that are kept, and the moments when all are busy.

package python_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/server/python"
)

// A request on a kept connection does not wait for the thread that served that
// connection last, while another thread of the worker is idle.
func TestKeptConnectionsHaveNoThread(t *testing.T) {
	w := suite(t, options{settings: map[string]any{"threads": 2}})
	var kept []func()
	for range 6 {
		kept = append(kept, keptHTTP(t, w), keptFastCGI(t, w))
	}
	for _, ask := range kept {
		ask()
	}
	for range 3 { // whichever thread is held
		gate := filepath.Join(t.TempDir(), "gate")
		var held sync.WaitGroup
		held.Go(func() { w.get("/hold?" + gate) })
		w.busy(1)
		for _, ask := range kept {
			ask() // waits for the gate if it waits for that thread, and fails
		}
		touch(t, gate)
		held.Wait()
	}
}

// As many requests run at once as there are threads, each on one of its own.
func TestThreadsAreAsManyAsSaid(t *testing.T) {
	w := start(t, options{settings: map[string]any{"threads": 3}, files: map[string]string{"app.py": `
import os, threading, time
inside, most, seen = set(), 0, set()
def application(environ, start_response):
    global most
    inside.add(environ["QUERY_STRING"])
    seen.add(threading.get_ident())
    most = max(most, len(inside))
    while not os.path.exists("gate"):
        time.sleep(0.01)
    inside.remove(environ["QUERY_STRING"])
    start_response("200 OK", [])
    return [b"%d at once, %d threads of %d" % (most, len(seen), threading.active_count())]
`}})
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() { w.get(fmt.Sprint("/?", i)) })
	}
	w.busy(3)
	touch(t, w.cmd.Dir+"/gate")
	wait.Wait()
	if _, body := w.get("/?last"); body != "3 at once, 3 threads of 3" {
		t.Errorf("%q", body)
	}
}

// An answer of ordinary size that its client takes slowly holds no thread.
func TestAnswersThatLeaveSlowlyHoldNoThread(t *testing.T) {
	w := suite(t, options{})
	const size = 640 << 10
	var slow []net.Conn
	for range 3 {
		c := dial(t, w)
		fmt.Fprintf(c, "GET /big?%d HTTP/1.0\r\n\r\n", size)
		io.ReadFull(c, make([]byte, 10))
		slow = append(slow, c)
		if status, _ := w.get("/generator"); status != 200 {
			t.Error(status)
		}
	}
	for _, c := range slow {
		if rest, err := io.ReadAll(c); err != nil || len(rest) < size {
			t.Errorf("%d bytes, %v", len(rest), err)
		}
	}
}

// patience is how long an answer may take that must not wait for a gate.
const patience = time.Minute

// keptHTTP opens a connection and returns what asks once on it.
func keptHTTP(t *testing.T, w *worker) func() {
	c := dial(t, w)
	r := bufio.NewReader(c)
	return func() {
		t.Helper()
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, "GET /generator HTTP/1.1\r\nHost: h\r\n\r\n")
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("HTTP: %v", err)
		}
		if b, err := io.ReadAll(answer.Body); err != nil || !strings.HasPrefix(string(b), "item 0") {
			t.Fatalf("HTTP: %q, %v", b, err)
		}
	}
}

// keptFastCGI is keptHTTP over FastCGI.
func keptFastCGI(t *testing.T, w *worker) func() {
	c := dial(t, w)
	request := fastcgi.AppendRequest(nil, 1, true, []cgi.Var{
		{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "PATH_INFO", Value: "/generator"}, {Name: "REQUEST_URI", Value: "/generator"},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
	}, nil)
	return func() {
		t.Helper()
		c.SetDeadline(time.Now().Add(patience))
		c.Write(request)
		for kind := byte(0); kind != 3; { // END_REQUEST
			header := make([]byte, 8)
			if _, err := io.ReadFull(c, header); err != nil {
				t.Fatalf("FastCGI: %v", err)
			}
			kind = header[1]
			io.CopyN(io.Discard, c, int64(header[4])<<8+int64(header[5])+int64(header[6]))
		}
	}
}

// Where some requests take long a thread takes one at a time: a quick one that arrived
// together with a slow one is handed to another worker, and does not wait behind it,
// also when for a second there were only quick ones.
func TestQuickRequestIsNotHarvestedWithASlowOne(t *testing.T) {
	w := suite(t, options{})
	c := dial(t, w)
	r := bufio.NewReader(c)
	send := func() { io.WriteString(c, "GET /generator HTTP/1.1\r\nHost: h\r\n\r\n") }
	receive := func() {
		t.Helper()
		c.SetDeadline(time.Now().Add(patience))
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
	}
	for try := 0; ; try++ {
		w.get("/sleep?0.05")
		for slow := time.Now(); time.Since(slow) < time.Second; { // it counts for two
			send()
			receive()
		}
		before := w.passed.Load()
		gate := filepath.Join(t.TempDir(), "gate")
		w.suspend() // so that it finds both at once
		w.begin("/hold?" + gate)
		send()
		unix.Kill(w.cmd.Process.Pid, unix.SIGCONT)
		for wait := 0; w.passed.Load() == before && wait < 200; wait++ {
			time.Sleep(5 * time.Millisecond)
		}
		touch(t, gate)
		receive()
		if w.passed.Load() > before {
			return
		}
		if try == 4 { // on a machine that is busy the slow request may have been long ago
			t.Fatal("the quick request waited for the slow one")
		}
	}
}

// racing is the engine that pauses where two threads could pass each other.
var racing = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(built, "racing")
	os.Mkdir(dir, 0o755)
	path := filepath.Join(dir, python.EngineName)
	return path, build(path, "-tags=races", "-buildmode=c-shared", "-ldflags=-s", "./engine")
})

// race keeps all threads busy for longer than the mover waits before it looks, and
// shorter than its pause, until it has met them so.
func (w *worker) race(threads int) {
	w.t.Helper()
	races := strings.Count(w.output.String(), "raced")
	for deadline := time.Now().Add(patience); ; {
		var busy sync.WaitGroup
		for range threads {
			busy.Go(func() { w.get("/sleep?0.1") })
		}
		busy.Wait()
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if strings.Count(w.output.String(), "raced") > races {
				return
			}
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the mover never meets all threads busy")
		}
	}
}

// A thread that comes out of the application while the mover is about to stop
// accepting goes to wait; the worker must not be deaf then, nor with several threads.
func TestWorkerThatWaitsAccepts(t *testing.T) {
	path, err := racing()
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprint("threads=", threads), func(t *testing.T) {
			w := suite(t, options{settings: map[string]any{"threads": threads}, change: func(h *handoff.Handoff) { h.Python.Engine = path }})
			for range 3 {
				w.race(threads)
				c, err := net.Dial("unix", w.socket)
				if err != nil {
					t.Fatal(err)
				}
				c.SetDeadline(time.Now().Add(patience))
				io.WriteString(c, "GET /generator HTTP/1.0\r\n\r\n")
				if b, err := io.ReadAll(c); !strings.Contains(string(b), " 200 ") {
					t.Fatalf("the worker is deaf: %q, %v", b, err)
				}
				c.Close()
			}
		})
	}
}

// The last request of a draining worker ends while the mover waits for events in the
// threads' place: the event that ends the worker may be the mover's, and must reach the
// thread that is about to wait all the same.
func TestTheEndReachesAThreadThatGoesToWait(t *testing.T) {
	path, err := racing()
	if err != nil {
		t.Fatal(err)
	}
	w := suite(t, options{env: []string{"APPD_RACE_END=1"}, change: func(h *handoff.Handoff) { h.Python.Engine = path }})
	w.begin("/sleep?1") // until the mover has found all threads busy and has paused
	w.busy(1)
	w.send(handoff.Message{Kind: handoff.Drain}, false)
	if err := w.ended(); err != nil {
		t.Error(err)
	}
}
