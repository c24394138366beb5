//go:build linux

package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// boss is the supervisor's side of a worker that runs in this process.
type boss struct {
	*handoff.Conn
	path string
	view *handoff.View
	done chan error
}

// employ starts one of four workers on a Unix socket.
func employ(t *testing.T, s *Server, written string) *boss {
	t.Helper()
	return employAmong(t, 4, s, written)
}

// employAmong is employ for another number of workers.
func employAmong(t *testing.T, workers int, s *Server, written string) *boss {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	fd, err := handoff.Duplicate(l.(*net.UnixListener))
	if err != nil {
		t.Fatal(err)
	}
	up, child, err := handoff.Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	view, err := handoff.CreateBoard()
	if err != nil {
		t.Fatal(err)
	}
	b := &boss{up, path, view, make(chan error, 1)}
	h := handoff.Handoff{
		Version: handoff.Version, Name: "test", Slot: 2, Generation: 5, Workers: workers,
		Control: dup(t, int(child.Fd())), Scoreboard: dup(t, view.FD()),
		Listeners: []handoff.Listener{{FD: fd, Address: "unix:" + path, Protocol: "http"}},
		Settings:  json.RawMessage(written),
	}
	child.Close()
	handed = &h // as the package finds it when the process starts
	go func() { b.done <- s.Run() }()
	t.Cleanup(func() {
		up.Close()
		view.Close()
		handed = nil
		forgetDrain()
	})
	return b
}

// forgetDrain makes the next worker of this process a new one.
func forgetDrain() {
	draining.Lock()
	draining.began = false
	draining.Unlock()
}

func dup(t *testing.T, fd int) int {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// expect receives messages until one of this kind comes.
func (b *boss) expect(t *testing.T, kind handoff.Kind) (handoff.Message, []int) {
	t.Helper()
	b.SetReceiveDeadline(time.Now().Add(patience))
	for {
		m, fds, err := b.Receive()
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if m.Kind == kind {
			return m, fds
		}
		handoff.CloseFDs(fds)
	}
}

func (b *boss) end(t *testing.T) {
	t.Helper()
	select {
	case err := <-b.done:
		if err != nil {
			t.Errorf("Run() = %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the worker does not leave")
	}
}

func (b *boss) get(t *testing.T, c net.Conn, path string) string {
	t.Helper()
	io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

func (b *boss) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", b.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestWorkerUnderASupervisor(t *testing.T) {
	told := make(chan string, 10)
	s := &Server{
		Timeout: time.Minute, KeepAlive: 7 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") }),
		Hooks: Hooks{
			PostWorkerInit: func(w Worker) { told <- "init " + w.Name },
			PreRequest:     func(*http.Request) { told <- "pre" },
			PostRequest:    func(_ *http.Request, status int) { told <- "post " + http.StatusText(status) },
			WorkerExit:     func(_ Worker, reason string) { told <- "exit " + reason },
		},
	}
	b := employ(t, s, `{"timeout":"9s"}`)
	m, _ := b.expect(t, handoff.Ready)
	if m.Version != handoff.Version || time.Duration(m.Settings.Timeout) != 9*time.Second || time.Duration(m.Settings.KeepAlive) != 7*time.Second {
		t.Errorf("ready: %+v %+v", m, m.Settings)
	}
	if w := Self(); w.Name != "test" || w.Slot != 2 || w.Generation != 5 || w.PID != os.Getpid() {
		t.Errorf("Self() = %+v", w)
	}
	c := b.dial(t)
	if got := b.get(t, c, "/"); got != "here" {
		t.Errorf("%q", got)
	}
	for _, want := range []string{"init test", "pre", "post OK"} {
		if got := <-told; got != want {
			t.Errorf("hook %q, want %q", got, want)
		}
	}
	var snap handoff.Snapshot
	if err := b.view.Read(&snap, handoff.Now()); err != nil || snap.State != handoff.Serving || snap.Counters.Served() != 1 {
		t.Errorf("scoreboard %+v, %v", snap, err)
	}
	b.stacks(t)
	b.pause(t)
	for range 2 * 2 { // hooks of two requests
		<-told
	}

	OnDrain(func() { told <- "drain" })
	b.Send(handoff.Message{Kind: handoff.Drain, Pass: true, Reason: "reload"})
	b.expect(t, handoff.Draining)
	m, fds := b.expect(t, handoff.Passed)
	if len(fds) != 1 || m.Protocol != "http" {
		t.Errorf("passed: %+v %v", m, fds)
	}
	b.end(t)
	ends := []string{<-told, <-told} // what OnDrain registers runs beside the rest
	slices.Sort(ends)
	if want := []string{"drain", "exit reload"}; !slices.Equal(ends, want) {
		t.Errorf("hooks %q, want %q", ends, want)
	}
	forgetDrain()

	// The next worker takes the connection over and serves what comes on it.
	next := employ(t, s, "")
	next.expect(t, handoff.Ready)
	if err := next.Send(handoff.Message{Kind: handoff.Adopt, Protocol: m.Protocol}, fds[0]); err != nil {
		t.Fatal(err)
	}
	unix.Close(fds[0])
	if got := next.get(t, c, "/"); got != "here" {
		t.Errorf("adopted: %q", got)
	}
	next.Close() // the supervisor dies
	next.end(t)
}

// stacks asks for a dump.
func (b *boss) stacks(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b.Send(handoff.Message{Kind: handoff.Dump}, int(w.Fd()))
	w.Close()
	dump, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(dump), t.Name()) {
		t.Errorf("dump of %d bytes, %v", len(dump), err)
	}
	if m, _ := b.expect(t, handoff.Done); m.Reason != "dump" || m.Text != "" {
		t.Errorf("done: %+v", m)
	}
}

// pause stops accepting and lets kept connections go on.
func (b *boss) pause(t *testing.T) {
	t.Helper()
	c := b.dial(t)
	b.get(t, c, "/")
	b.Send(handoff.Message{Kind: handoff.Pause})
	var snap handoff.Snapshot
	for snap.State != handoff.Pausing {
		if err := b.view.Read(&snap, handoff.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if got := b.get(t, c, "/"); got != "here" {
		t.Errorf("paused: %q", got)
	}
	c.Close()
}

// A stop gives requests in flight their grace and cancels them then.
func TestWorkerStops(t *testing.T) {
	began := make(chan bool)
	s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		<-r.Context().Done()
		io.WriteString(w, context.Cause(r.Context()).Error())
	})}
	b := employ(t, s, "")
	b.expect(t, handoff.Ready)
	c := b.dial(t)
	got := make(chan string)
	go func() { got <- b.get(t, c, "/") }()
	<-began
	b.Send(handoff.Message{Kind: handoff.Stop, Grace: handoff.Duration(50 * time.Millisecond)})
	if text := <-got; !strings.Contains(text, "leaving") {
		t.Errorf("the cancelled request answered %q", text)
	}
	b.end(t)
}

// A worker that cannot serve says why.
func TestWorkerFails(t *testing.T) {
	s := &Server{Handler: http.NotFoundHandler()}
	b := employ(t, s, `{"access_log_format":"%"}`)
	if m, _ := b.expect(t, handoff.Failed); !strings.Contains(m.Text, "accesslog") {
		t.Errorf("failed: %+v", m)
	}
	if err := <-b.done; err == nil || errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Run() = %v", err)
	}
}

// Somebody else's signal is a wish like the supervisor's, who hears whose it was.
func TestSignalOfAStranger(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGTERM) // the test must outlive its worker
	defer signal.Stop(caught)
	b := employ(t, &Server{Handler: http.NotFoundHandler()}, "{}")
	b.expect(t, handoff.Ready)
	unix.Kill(os.Getpid(), unix.SIGTERM)
	if m, _ := b.expect(t, handoff.Draining); m.Reason != "SIGTERM from somebody else" {
		t.Errorf("draining: %+v", m)
	}
	b.end(t)
}

// A worker that was alone when it started, and is not any more, leaves its connections
// to the others when a stranger's signal ends it.
func TestSignalOfAStrangerAfterAResize(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGTERM) // the test must outlive its worker
	defer signal.Stop(caught)
	s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") })}
	b := employAmong(t, 1, s, "{}")
	b.expect(t, handoff.Ready)
	c := b.dial(t)
	b.get(t, c, "/")
	b.Send(handoff.Message{Kind: handoff.Resize, Workers: 2})
	b.stacks(t) // asked for behind the other
	unix.Kill(os.Getpid(), unix.SIGTERM)
	_, fds := b.expect(t, handoff.Passed)
	handoff.CloseFDs(fds)
	b.end(t)
}

// With the number of workers the share of the memory changes, unless the program has
// chosen a limit of its own since.
func TestMemoryLimitFollowsTheShare(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer func() { memoryLimit = before; debug.SetMemoryLimit(before) }()
	b := employ(t, &Server{Handler: http.NotFoundHandler()}, "{}")
	b.expect(t, handoff.Ready)
	for i, want := range []int64{1 << 40, 1 << 41, 1 << 42} {
		if i == 2 {
			debug.SetMemoryLimit(want)
		}
		b.Send(handoff.Message{Kind: handoff.Resize, Workers: 2, Memory: 1 << (40 + min(i, 1))})
		b.stacks(t) // asked for behind the other
		if got := debug.SetMemoryLimit(-1); got != want {
			t.Errorf("limit %d, want %d", got, want)
		}
	}
	b.Send(handoff.Message{Kind: handoff.Drain})
	b.end(t)
}

// Before a dump on the way to a kill, and before a fast stop, the hooks hear of it.
func TestHooksOfAViolentEnd(t *testing.T) {
	told := make(chan string, 4)
	s := &Server{Handler: http.NotFoundHandler(), Hooks: Hooks{
		WorkerAbort: func(w Worker) { told <- "abort " + w.Name },
		WorkerInt:   func(w Worker) { told <- "int " + w.Name },
		WorkerExit:  func(_ Worker, reason string) { told <- "exit " + reason },
	}}
	b := employ(t, s, "{}")
	b.expect(t, handoff.Ready)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b.Send(handoff.Message{Kind: handoff.Dump, Reason: "timed out"}, int(w.Fd()))
	w.Close()
	if dump, err := io.ReadAll(r); err != nil || len(dump) == 0 {
		t.Errorf("dump of %d bytes, %v", len(dump), err)
	}
	b.Send(handoff.Message{Kind: handoff.Stop, Reason: "stopped"})
	b.end(t)
	for _, want := range []string{"abort test", "int test", "exit stopped"} {
		if got := <-told; got != want {
			t.Errorf("hook %q, want %q", got, want)
		}
	}
}
