//go:build linux

package eventloop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

func short(field func(*handoff.Settings) *handoff.Duration) func(*Config) {
	return func(c *Config) { *field(&c.Settings) = handoff.Duration(100 * time.Millisecond) }
}

// closes waits for the server to close the connection.
func closes(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return // a reset
	} else if err != nil {
		t.Error("the connection is still open")
	}
}

func TestKeepAliveEnds(t *testing.T) {
	r := start(t, cgi.HTTP, short(func(s *handoff.Settings) *handoff.Duration { return &s.KeepAlive }), echo)
	c := r.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	closes(t, c)
}

// A front connects first and sends then: what it takes for that is no silence of a
// kept connection, however short those are.
func TestKeepAliveBegins(t *testing.T) {
	r := start(t, cgi.HTTP, short(func(s *handoff.Settings) *handoff.Duration { return &s.KeepAlive }), echo)
	c := r.dial(t)
	until(t, "the connection is open", func() bool { return r.Stats().Connections == 1 })
	began := r.now()
	until(t, "the sweep has seen it silent for thrice as long", func() bool {
		return r.now()-began > 3*int64(r.config.Settings.KeepAlive)
	})
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("the first answer = %+v, %v", resp, err)
	}
}

// One that never sends anything is not waited for longer than for a head.
func TestSilenceEnds(t *testing.T) {
	r := start(t, cgi.HTTP, short(func(s *handoff.Settings) *handoff.Duration { return &s.ReadTimeout }), echo)
	closes(t, r.dial(t))
}

func TestSlowHeadEnds(t *testing.T) {
	r := start(t, cgi.HTTP, short(func(s *handoff.Settings) *handoff.Duration { return &s.ReadTimeout }), echo)
	c := r.dial(t)
	go func() {
		for { // a byte now and then does not help
			if _, err := io.WriteString(c, "G"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	closes(t, c)
}

func TestSlowBodyEnds(t *testing.T) {
	got := make(chan error, 1)
	r := start(t, cgi.HTTP, short(func(s *handoff.Settings) *handoff.Duration { return &s.ReadTimeout }), func(x *Exchange) {
		_, err := io.ReadAll(x)
		got <- err
	})
	c := r.dial(t)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read() = %v", err)
	}
	closes(t, c)
}

func TestSlowReaderEnds(t *testing.T) {
	got := make(chan error, 1)
	r := start(t, cgi.HTTP, short(func(s *handoff.Settings) *handoff.Duration { return &s.WriteTimeout }), func(x *Exchange) {
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 8 << 20}, make([]byte, 8<<20), false)
		got <- x.WaitOut(0)
	})
	c := r.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-got; err == nil {
		t.Error("WaitOut() = nil")
	}
}

// The timeout's clock stands while the front sends.
func TestTimeout(t *testing.T) {
	handed, causes := make(chan *Exchange), make(chan error)
	const limit = time.Second
	var late atomic.Bool // the machine kept the handler waiting until the timeout
	r := start(t, cgi.HTTP, func(c *Config) { c.Settings.Timeout = handoff.Duration(limit) }, func(x *Exchange) {
		own := x.Head.Target == "/own"
		if own {
			x.SetTimeout(0)
			late.Store(x.Err() != nil)
		}
		handed <- x
		if _, err := io.ReadAll(x); err != nil && x.Elapsed() < limit {
			t.Errorf("Read() = %v after %v", err, x.Elapsed())
		}
		if own {
			time.Sleep(limit + limit/2)
			causes <- x.Err()
		} else {
			aborted := make(chan error, 1)
			x.OnAbort(func(err error) { aborted <- err })
			causes <- <-aborted
		}
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 2}, []byte("ok"), true)
	})
	for path, want := range map[string]error{"/": cgi.ErrTimeout, "/own": nil} {
		c := r.dial(t)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", path)
		x := <-handed
		until(t, "a handler that reads", func() bool {
			x.conn.mu.Lock()
			defer x.conn.mu.Unlock()
			return x.waiting > 0 || x.Err() != nil
		})
		before := x.Elapsed()
		time.Sleep(50 * time.Millisecond) // of the front's time
		if after := x.Elapsed(); after != before && x.Err() == nil {
			t.Errorf("%s: %v of the timeout were used up, and %v a moment later", path, before, after)
		}
		io.WriteString(c, "abc")
		if err := <-causes; !errors.Is(err, want) && !late.Load() {
			t.Errorf("%s: cause %v, want %v", path, err, want)
		}
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Errorf("%s: a handler that was cancelled can still answer: %v, %v", path, res, err)
		}
	}
}

func TestAllowPeers(t *testing.T) {
	r := startOn(t, Listener{Protocol: cgi.HTTP, AllowUIDs: []uint32{uint32(os.Getuid()) + 1}}, nil, echo)
	c := r.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("answered: %v", err)
	}
}

// A peer that speaks another protocol than the listener is answered in its own.
func TestWrongProtocol(t *testing.T) {
	logged := make(chan string, 10)
	r := start(t, cgi.FastCGI, func(c *Config) { c.Log.SetOutput(writerFunc(func(s string) { logged <- s })) }, echo)
	c := r.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 502 {
		t.Fatalf("%v, %v", res, err)
	}
	if line := <-logged; !strings.Contains(line, "speaks http") || !strings.Contains(line, "fastcgi") {
		t.Errorf("log: %q", line)
	}
	h := start(t, cgi.HTTP, nil, echo)
	f := newFront(h.dial(t))
	f.Write(begin(1, "/", 0))
	f.Write(body(1, ""))
	if out := f.until(t, 1); !strings.HasPrefix(out, "Status: 502") {
		t.Errorf("%q", out)
	}
}

type writerFunc func(string)

func (f writerFunc) Write(p []byte) (int, error) { f(string(p)); return len(p), nil }

// An idle kept connection moves to another worker, with a request that is just
// arriving; one with a request in flight moves after its answer.
func TestIdleConnectionsMove(t *testing.T) {
	hold := make(chan bool)
	who := func(name string) func(*Exchange) {
		return func(x *Exchange) {
			if x.Head.Target == "/hold" {
				hold <- true
				<-hold
			}
			x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: int64(len(name))}, []byte(name), true)
		}
	}
	next := start(t, cgi.HTTP, nil, who("new"))
	old := start(t, cgi.HTTP, func(c *Config) {
		c.PassIdle = func(fd, listener int, p cgi.Protocol) bool {
			if err := next.Adopt(fd, listener, p, false); err != nil {
				t.Error(err)
			}
			return true
		}
	}, who("old"))
	ask := func(c net.Conn, path string) { fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path) }
	answer := func(in *bufio.Reader, want string) {
		t.Helper()
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); string(got) != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	idle, busy := old.dial(t), old.dial(t)
	in, busyIn := bufio.NewReader(idle), bufio.NewReader(busy)
	ask(idle, "/")
	answer(in, "old")
	ask(busy, "/hold")
	<-hold
	drained := make(chan error, 1)
	go func() { drained <- old.Drain(context.Background(), DrainOptions{Queue: true, Pass: true}) }()
	until(t, "only the busy connection", func() bool { return old.Stats().Connections == 1 })
	ask(idle, "/")
	answer(in, "new")
	hold <- true
	answer(busyIn, "old")
	if err := <-drained; err != nil {
		t.Error(err)
	}
	ask(busy, "/")
	answer(busyIn, "new")
	if n := old.Stats(); n.Connections != 0 || n.Active != 0 {
		t.Errorf("left behind: %+v", n)
	}
}

// What waits in the accept queue is served before a worker that stops has left.
func TestDrainServesTheQueue(t *testing.T) {
	r := start(t, cgi.HTTP, nil, echo)
	r.AcceptOff()
	var waiting []net.Conn
	for range 10 {
		c := r.dial(t)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		waiting = append(waiting, c)
	}
	if err := r.Drain(context.Background(), DrainOptions{Queue: true}); err != nil {
		t.Fatal(err)
	}
	for i, c := range waiting {
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Errorf("connection %d: %v, %v", i, res, err)
		}
	}
}

func TestAcceptOffAndOn(t *testing.T) {
	r := start(t, cgi.HTTP, nil, echo)
	for range 20 {
		r.AcceptOff()
		r.AcceptOn()
	}
	for range 3 {
		c := r.dial(t)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("%v, %v", res, err)
		}
	}
}
