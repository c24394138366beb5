// The supervisor's part, for the tests: hands a socket to a worker, waits for ready.

package python_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/server/python"
)

// interpreter is the one whose packages the tests use: Debian's.
const interpreter = "/usr/bin/python3"

// built is the folder of what the tests build; TestMain removes it.
var built string

var engine = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("APPD_ENGINE"); path != "" {
		return path, nil
	}
	path := filepath.Join(built, python.EngineName)
	return path, build(path, "-buildmode=c-shared", "-ldflags=-s", "./engine")
})

var appd = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "appd")
	return path, build(path, "../../cmd/appd")
})

func build(path string, arguments ...string) error {
	out, err := exec.Command("go", append([]string{"build", "-o", path}, arguments...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build %v: %w\n%s", arguments, err, out)
	}
	return nil
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "appd-python")
	if err != nil {
		panic(err)
	}
	built = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// worker is a running worker process.
type worker struct {
	t       *testing.T
	cmd     *exec.Cmd
	conn    *handoff.Conn
	socket  string
	output  buffer
	view    *handoff.View
	exited  chan error
	message chan handoff.Message
	passed  atomic.Int64 // connections that it handed on
}

// buffer is output that is read while it grows.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// options of a worker; the zero value is a worker with one thread.
type options struct {
	python   string // interpreter
	files    map[string]string
	app      string // default app:application
	settings map[string]any
	change   func(*handoff.Handoff)
	env      []string
}

// launch starts a worker without waiting for it.
func launch(t *testing.T, o options) *worker {
	t.Helper()
	path, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range o.files {
		file := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := &worker{t: t, socket: filepath.Join(dir, "s"), exited: make(chan error, 1), message: make(chan handoff.Message, 64)}
	listener := listen(t, w.socket)
	defer unix.Close(listener)
	var childEnd *os.File
	if w.conn, childEnd, err = handoff.Socketpair(); err != nil {
		t.Fatal(err)
	}
	defer childEnd.Close()
	if w.view, err = handoff.CreateBoard(); err != nil {
		t.Fatal(err)
	}
	h := &handoff.Handoff{
		Version: handoff.Version, Name: "test", Slot: 1, Generation: 2, Workers: 2, Control: handoff.ControlFD, Scoreboard: 5,
		Listeners: []handoff.Listener{{FD: 4, Address: "unix:" + w.socket, Protocol: "auto"}},
		Python:    &handoff.Python{App: o.app, Path: []string{dir}, Engine: path, WorkerClass: "sync"},
	}
	if o.app == "" {
		h.Python.App = "app:application"
	}
	if o.settings != nil {
		h.Settings, _ = json.Marshal(o.settings)
	}
	if o.change != nil {
		o.change(h)
	}
	text, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if o.python == "" {
		o.python = interpreter
	}
	argv, err := python.Command(o.python)
	if err != nil {
		t.Fatal(err)
	}
	w.cmd = exec.Command(argv[0], argv[1:]...)
	w.cmd.Dir = dir
	w.cmd.Env = append(append(os.Environ(), handoff.Env+"="+text, "PYTHONUNBUFFERED=1"), o.env...)
	w.cmd.Stdout, w.cmd.Stderr = &w.output, &w.output
	// Files of descriptors that are closed by hand: Fd() of a *os.File would make
	// the shared description blocking.
	w.cmd.ExtraFiles = []*os.File{childEnd, file(t, listener), file(t, w.view.FD())}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { w.exited <- w.cmd.Wait() }()
	go w.receive()
	t.Cleanup(w.kill)
	return w
}

func file(t *testing.T, fd int) *os.File {
	t.Helper()
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(dup), "handed")
	t.Cleanup(func() { f.Close() })
	return f
}

func listen(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1024); err != nil {
		t.Fatal(err)
	}
	return fd
}

func (w *worker) receive() {
	for leaves := false; ; {
		m, fds, err := w.conn.Receive()
		if err != nil {
			close(w.message)
			return
		}
		leaves = leaves || m.Kind == handoff.Draining
		if m.Kind == handoff.Passed && len(fds) == 1 {
			w.passed.Add(1)
			if !leaves { // nobody else is there to take it
				w.conn.Send(handoff.Message{Kind: handoff.Adopt, Listener: m.Listener, Protocol: m.Protocol, Queue: true}, fds[0])
			}
			handoff.CloseFDs(fds)
			continue
		}
		handoff.CloseFDs(fds)
		w.message <- m
	}
}

// start is launch and ready.
func start(t *testing.T, o options) *worker {
	t.Helper()
	w := launch(t, o)
	if m := w.await(handoff.Ready); m.Kind != handoff.Ready {
		t.Fatalf("the worker said %+v instead of ready\n%s", m, w.output.String())
	}
	return w
}

// await returns the next message of one of the kinds, or the first failure.
func (w *worker) await(kind handoff.Kind) handoff.Message {
	w.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		select {
		case m, ok := <-w.message:
			if !ok || m.Kind == kind || m.Kind == handoff.Failed {
				return m
			}
		case <-deadline:
			w.t.Fatalf("no message %q\n%s", kind, w.output.String())
		}
	}
}

func (w *worker) kill() {
	w.cmd.Process.Kill()
	w.conn.Close()
	if w.t.Failed() {
		w.t.Logf("output of the worker:\n%s", w.output.String())
	}
}

// ended waits for the process's end.
func (w *worker) ended() error {
	w.t.Helper()
	select {
	case err := <-w.exited:
		return err
	case <-time.After(60 * time.Second):
		w.t.Fatalf("the worker does not end\n%s", w.output.String())
		return nil
	}
}

func (w *worker) client() *http.Client {
	return &http.Client{
		Timeout: 2 * time.Minute, // of a thousand at once on a slow machine, too
		Transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", w.socket)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get returns the status and the body of a GET.
func (w *worker) get(path string) (int, string) {
	w.t.Helper()
	r, err := w.client().Get("http://test.example" + path)
	if err != nil {
		w.t.Fatalf("GET %s: %v\n%s", path, err, w.output.String())
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		w.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// raw sends bytes on a connection of its own and returns all that comes back.
func (w *worker) raw(request string) string {
	w.t.Helper()
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	io.WriteString(c, request)
	b, _ := io.ReadAll(c)
	return string(b)
}

// logged waits until the output holds text.
func (w *worker) logged(text string) {
	w.t.Helper()
	w.printed(text, 1)
}

// printed waits until the output holds text n times.
func (w *worker) printed(text string, n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("printed %d times: %q", n, text), func() bool { return strings.Count(w.output.String(), text) >= n })
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	const limit = time.Minute
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// touch makes the file that a request waits for.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, w *worker) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
