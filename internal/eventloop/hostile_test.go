//go:build linux

package eventloop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// A request that was cancelled for its timeout may still be waiting for the front to
// take its answer when that front goes away.
func TestHangupAfterTheTimeout(t *testing.T) {
	waiting, ended := make(chan *Exchange, 1), make(chan error, 1)
	r := start(t, cgi.HTTP, short(func(s *handoff.Settings) *handoff.Duration { return &s.Timeout }), func(x *Exchange) {
		gone := make(chan struct{})
		x.OnAbort(func(error) { close(gone) })
		<-gone
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 8 << 20}, make([]byte, 8<<20), false)
		waiting <- x
		ended <- x.WaitOut(0)
	})
	c := r.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	x := <-waiting
	until(t, "a handler that waits", func() bool {
		x.conn.mu.Lock()
		defer x.conn.mu.Unlock()
		return x.waiting > 0
	})
	c.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("WaitOut() = nil")
		}
	case <-time.After(patience):
		t.Fatal("WaitOut still waits for a front that is gone")
	}
}

// A long answer to a front that always leaves something waiting must not be kept as
// a whole.
func TestOutputThatNeverRunsDry(t *testing.T) {
	c := &conn{loop: &Loop{}, gone: false}
	p := make([]byte, 10_000)
	c.out = append(c.out, p...)
	for range 10_000 {
		c.write(p)
		c.sent += len(p)
		if c.pending() != len(p) {
			t.Fatalf("%d bytes wait, want %d", c.pending(), len(p))
		}
	}
	if cap(c.out) > 10*len(p) {
		t.Errorf("%d bytes are kept for the %d that wait", cap(c.out), c.pending())
	}
}

// Who asks for management records for ever and reads no answer is given up.
func TestAskingWithoutReading(t *testing.T) {
	r := start(t, cgi.FastCGI, nil, echo)
	c := r.dial(t)
	ask := strings.Repeat(string(record(9, 0, "\x0f\x00FCGI_MPXS_CONNS")), 1000)
	for range 2000 {
		if _, err := io.WriteString(c, ask); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("neither read nor given up")
			}
			return
		}
	}
	t.Error("32 MB of questions were taken")
}

// On a connection that is known to be shared, a body that nobody reads must not stop
// the requests behind it.
func TestBodyBesideARequestToCome(t *testing.T) {
	release := make(chan struct{})
	r := start(t, cgi.FastCGI, nil, func(x *Exchange) {
		uri := x.Head.Vars.Get("REQUEST_URI")
		if uri == "/slow" {
			<-release
			io.Copy(io.Discard, x)
		}
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: int64(len(uri))}, []byte(uri), true)
	})
	f := newFront(r.dial(t))
	f.Write(record(9, 0, "\x0f\x00FCGI_MPXS_CONNS"))
	f.Write(begin(1, "/slow", 2<<20))
	f.Write(body(1, strings.Repeat("x", 2<<20)))
	f.Write(append(begin(3, "/quick", 0), body(3, "")...))
	if got := f.until(t, 3); !strings.HasSuffix(got, "/quick") {
		t.Errorf("got %q", got)
	}
	close(release)
	f.until(t, 1)
}

// An end without a head has HAProxy wait for ever.
func TestBrokenOffBesideAnother(t *testing.T) {
	release := make(chan struct{})
	r := start(t, cgi.FastCGI, nil, func(x *Exchange) {
		if uri := x.Head.Vars.Get("REQUEST_URI"); uri == "/slow" {
			<-release
			echo(x)
		}
	})
	f := newFront(r.dial(t))
	f.Write(append(begin(1, "/slow", 0), body(1, "")...))
	f.Write(append(begin(3, "/none", 0), body(3, "")...))
	if got := f.until(t, 3); !strings.HasPrefix(got, "Status: 500 ") {
		t.Errorf("got %q", got)
	}
	close(release)
	if got := f.until(t, 1); !strings.HasPrefix(got, "Status: 200 ") {
		t.Errorf("got %q", got)
	}
}

// The preamble is told from other protocols by its first bytes together, however
// they arrive.
func TestPreambleByteByByte(t *testing.T) {
	for name, preamble := range map[string]string{
		"v1": "PROXY TCP4 192.0.2.9 192.0.2.1 4711 80\r\n",
		"v2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x09\xc0\x00\x02\x01\x12\x67\x00\x50",
	} {
		t.Run(name, func(t *testing.T) {
			peers := make(chan string, 1)
			r := startOn(t, Listener{Protocol: cgi.HTTP, ProxyProtocol: true}, nil, func(x *Exchange) {
				peers <- x.peer().String()
				echo(x)
			})
			c := r.dial(t)
			for _, b := range []byte(preamble + "GET / HTTP/1.1\r\nHost: x\r\n\r\n") {
				c.Write([]byte{b})
				time.Sleep(200 * time.Microsecond) // not to be read together with the next
			}
			if peer := <-peers; peer != "192.0.2.9:4711" {
				t.Errorf("the peer is %q", peer)
			}
		})
	}
}

// What a handler's goroutine does after the end must not reach the row of the
// request that has it now.
func TestCallsAfterTheEnd(t *testing.T) {
	old := make(chan *Exchange, 1)
	r := start(t, cgi.HTTP, nil, func(x *Exchange) {
		if x.Head.Target == "/first" {
			old <- x
			echo(x)
			return
		}
		first := <-old
		first.SetTimeout(time.Nanosecond)
		if n, err := first.Read(make([]byte, 1)); n != 0 || !errors.Is(err, ErrClosed) {
			t.Errorf("Read() = %d, %v", n, err)
		}
		if _, err := first.Answer(nil, []byte("x"), true); !errors.Is(err, ErrClosed) {
			t.Errorf("Answer() = %v", err)
		}
		if err := errors.Join(first.SetReadDeadline(time.Now()), first.SetWriteDeadline(time.Now())); err == nil {
			t.Error("deadlines were set after the end")
		}
		first.Break()
		if first.row.Tracked() {
			t.Error("the row is still the first request's")
		}
		echo(x)
	})
	c := r.dial(t)
	for _, path := range []string{"/first", "/second"} {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		if got := firstLine(t, c); got != "HTTP/1.1 200 OK" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// firstLine reads what one write of the server brought.
func firstLine(t *testing.T, c net.Conn) string {
	t.Helper()
	p := make([]byte, 4096)
	n, err := c.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(p[:n]), "\r\n")
	return line
}

// A worker that is told to leave at the moment when a connection comes either
// serves it or leaves it to others.
func TestDrainAgainstAccept(t *testing.T) {
	for range 50 {
		r := start(t, cgi.HTTP, nil, echo)
		dialed := make(chan net.Conn)
		go func() {
			c, err := net.Dial("unix", r.path)
			if err != nil {
				t.Error(err)
			} else {
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			}
			dialed <- c
		}()
		if err := r.Drain(context.Background(), DrainOptions{}); err != nil {
			t.Fatal(err)
		}
		r.Close()
		c := <-dialed
		if c == nil {
			continue
		}
		if fd := acceptWaiting(r); fd >= 0 { // left to others
			syscall.Close(fd)
		} else {
			c.SetDeadline(time.Now().Add(patience))
			if got := firstLine(t, c); got != "HTTP/1.1 200 OK" {
				t.Errorf("got %q", got)
			}
		}
		c.Close()
	}
}

// acceptWaiting takes a connection that still waits for somebody to accept it.
func acceptWaiting(r *rig) int {
	fd := -1
	raw, _ := r.ln.SyscallConn()
	raw.Control(func(l uintptr) {
		if n, e := accept(int(l)); e == 0 {
			fd = n
		}
	})
	return fd
}

// A connection that is adopted by a worker that has begun to leave goes on to the next.
func TestAdoptedWhileLeaving(t *testing.T) {
	passed := make(chan int, 1)
	hold := make(chan bool)
	r := start(t, cgi.HTTP, func(c *Config) {
		c.PassIdle = func(fd, _ int, _ cgi.Protocol) bool { passed <- fd; return true }
	}, func(x *Exchange) { hold <- true; <-hold; echo(x) })
	c := r.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	<-hold
	done := make(chan error)
	go func() { done <- r.Drain(context.Background(), DrainOptions{Pass: true}) }()
	until(t, "a drain", r.draining.Load)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[1])
	if err := r.Adopt(pair[0], 0, cgi.HTTP, false); err != nil {
		t.Fatal(err)
	}
	if fd := <-passed; fd != pair[0] {
		t.Errorf("passed %d, want %d", fd, pair[0])
	}
	syscall.Close(pair[0])
	hold <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// When nobody accepts any more, fronts hear so at once, not when the last request of
// the worker has ended; what had come before is served.
func TestListenersCloseAtOnce(t *testing.T) {
	hold := make(chan bool)
	r := start(t, cgi.HTTP, nil, func(x *Exchange) { hold <- true; <-hold; echo(x) })
	c := r.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	<-hold
	left, done := make(chan bool), make(chan error)
	go func() { done <- r.Drain(context.Background(), DrainOptions{Queue: true, Left: func() { close(left) }}) }()
	<-left
	r.ln.SetUnlinkOnClose(false)
	r.ln.Close() // the only other descriptor
	if late, err := net.Dial("unix", r.path); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial() = %v, %v", late, err)
	}
	hold <- true
	if got := firstLine(t, c); got != "HTTP/1.1 200 OK" {
		t.Errorf("got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
