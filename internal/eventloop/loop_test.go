//go:build linux

package eventloop

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

func TestMain(m *testing.M) {
	time.Sleep(time.Nanosecond) // with the first timer the runtime opens its poller, which is no leak of a test
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come: long enough for a machine
// that is slow and busy.
const patience = time.Minute

// rig is a loop with one Unix listener.
type rig struct {
	*Loop
	path string
	ln   *net.UnixListener
}

// start runs a loop whose exchanges serve answers.
func start(t *testing.T, p cgi.Protocol, change func(*Config), serve func(*Exchange)) *rig {
	t.Helper()
	return startOn(t, Listener{Protocol: p}, change, serve)
}

// startOn is start with rules for the listener.
func startOn(t *testing.T, ls Listener, change func(*Config), serve func(*Exchange)) *rig {
	t.Helper()
	before := descriptors(t)
	t.Cleanup(func() {
		// Another loop of the test may have to see a hang-up first.
		for end := time.Now().Add(patience); !t.Failed() && len(descriptors(t)) > len(before); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("open are %q, and before were %q", descriptors(t), before)
			}
		}
	})
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	config := Config{Settings: handoff.Defaults(), Serve: serve, Multiplex: true, Log: log.New(testWriter{t}, "", 0)}
	config.Settings.TmpDir = t.TempDir()
	if change != nil {
		change(&config)
	}
	l, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := ln.(*net.UnixListener).SyscallConn()
	raw.Control(func(fd uintptr) {
		ls.FD, ls.Address = int(fd), "unix:"+path
		_, err = l.Listen(ls)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &rig{l, path, ln.(*net.UnixListener)}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

func (r *rig) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	c, err := net.Dial("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.UnixConn)
}

func (r *rig) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.path)
	}}, Timeout: patience}
}

// echo answers with the body of the request.
func echo(x *Exchange) {
	body, err := io.ReadAll(x)
	if err != nil {
		body = []byte(err.Error())
	}
	x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: int64(len(body))}, body, true)
}

func TestKeptConnection(t *testing.T) {
	r := start(t, cgi.HTTP, nil, echo)
	c := r.dial(t)
	in := bufio.NewReader(c)
	for _, body := range []string{"one", "", strings.Repeat("long ", 100_000)} {
		req, _ := http.NewRequest("POST", "http://x/", strings.NewReader(body))
		go req.Write(c)
		res, err := http.ReadResponse(in, req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || string(got) != body {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(body))
		}
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// descriptors are the open ones, with what they are.
func descriptors(t *testing.T) (list []string) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		what, _ := os.Readlink("/proc/self/fd/" + e.Name())
		list = append(list, e.Name()+" "+what)
	}
	return list
}
