package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve runs a server whose answers repeat the question; stop ends it and waits.
func serve(t *testing.T, path string, answer func(context.Context, Request) Answer) (stop func()) {
	t.Helper()
	s, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { s.Serve(ctx, answer) })
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

func echo(_ context.Context, q Request) Answer {
	return Answer{Status: q.Slot, Error: q.Verb, Output: []string{"a", "b"}, Bytes: []byte{0, 255}}
}

func TestCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	stop := serve(t, path, echo)
	a, err := Call(t.Context(), path, Request{Verb: "reload", Slot: 7})
	if err != nil || a.Status != 7 || a.Error != "reload" || len(a.Output) != 2 || string(a.Bytes) != "\x00\xff" {
		t.Errorf("answer %+v, %v", a, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if _, err := Call(t.Context(), path, Request{}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a server: %v", err)
	}
}

// TestSuccessor: a second server takes the path over, and the first one leaves the
// second's socket alone when it ends.
func TestSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	stopFirst := serve(t, path, func(context.Context, Request) Answer { return Answer{Error: "first"} })
	serve(t, path, func(context.Context, Request) Answer { return Answer{Error: "second"} })
	stopFirst()
	if a, err := Call(t.Context(), path, Request{}); err != nil || a.Error != "second" {
		t.Errorf("answer %+v, %v", a, err)
	}
}

// TestDeadSocket: a socket that nobody listens on is as good as none.
func TestDeadSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Call(t.Context(), path, Request{}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Call: %v", err)
	}
	if _, err := Find(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Find: %v", err)
	}
	serve(t, path, echo)
	if _, err := Call(t.Context(), path, Request{}); err != nil {
		t.Errorf("after a server replaced it: %v", err)
	}
}

// TestBadRequests: nonsense is answered or dropped, and harms nobody.
func TestBadRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	serve(t, path, echo)
	for _, text := range []string{"\n", "nonsense\n", "{\"slot\":\"x\"}\n", strings.Repeat("x", 2*maxRequest) + "\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, text)
		line, err := bufio.NewReader(conn).ReadString('\n')
		var a Answer
		if err == nil && (json.Unmarshal([]byte(line), &a) != nil || a.Status != 1) {
			t.Errorf("%.20q was answered %q", text, line)
		}
		conn.Close()
	}
	if _, err := Call(t.Context(), path, Request{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestGone: a server that ends without an answer is told from one that is not there;
// a caller that gives up does not wait.
func TestGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conns := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	go func() {
		c := <-conns
		bufio.NewReader(c).ReadString('\n')
		c.Close()
	}()
	if _, err := Call(t.Context(), path, Request{}); !errors.Is(err, ErrGone) {
		t.Errorf("a closed connection: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	go func() { <-conns }()
	if _, err := Call(ctx, path, Request{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server: %v", err)
	}
}

// TestFind takes hold of ourselves, who certainly have not ended.
func TestFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	serve(t, path, echo)
	p, err := Find(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
	if err := (Process{}).Wait(t.Context()); err != nil {
		t.Errorf("the zero Process: %v", err)
	}
}

// TestWhoListens: somebody else may have put a socket where we look.
func TestWhoListens(t *testing.T) {
	for _, tt := range []struct {
		server uint32
		self   int
		ok     bool
	}{{1000, 1000, true}, {0, 1000, true}, {1001, 1000, false}, {1001, 0, true}} {
		if err := checkServer("/tmp/x", tt.server, tt.self); (err == nil) != tt.ok {
			t.Errorf("user %d asking user %d: %v", tt.self, tt.server, err)
		}
	}
}
