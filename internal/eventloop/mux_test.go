//go:build linux

package eventloop

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/uwsgi"
)

// Requests share a connection. One that does not read its body, of which 4 MB wait,
// stops none of the others, and the whole body is there when it does read.
func TestRequestsShareAConnection(t *testing.T) {
	read := make(chan bool)
	r := start(t, cgi.FastCGI, nil, func(x *Exchange) {
		if uri := x.Head.Vars.Get("REQUEST_URI"); uri == "/later" {
			<-read
		}
		echo(x)
	})
	f := newFront(r.dial(t))
	big := strings.Repeat("0123456789abcdef", 256<<10)
	f.Write(begin(1, "/later", len(big)))
	for id := uint16(3); id < 40; id += 2 {
		f.Write(begin(id, "/", 3))
	}
	if _, err := f.Write(body(1, big)); err != nil {
		t.Fatal(err)
	}
	for id := uint16(3); id < 40; id += 2 {
		f.Write(body(id, "abc"))
	}
	for id := uint16(3); id < 40; id += 2 {
		if out := f.until(t, id); !strings.HasSuffix(out, "abc") {
			t.Errorf("request %d: %q", id, out)
		}
	}
	close(read)
	if out := f.until(t, 1); !strings.HasSuffix(out, big) {
		t.Errorf("request 1: %d bytes", len(out))
	}
}

// A front that numbers its requests comes to the last id, and begins anew.
func TestRequestIDsBeginAnew(t *testing.T) {
	const last, together = 65535, 16
	first := 1
	if testing.Short() {
		first = last - 1000
	}
	r := start(t, cgi.FastCGI, nil, echo)
	f := newFront(r.dial(t))
	var ids []uint16
	for id := first; id < last+1000; id++ {
		ids = append(ids, uint16((id-1)%last+1))
	}
	for some := range slices.Chunk(ids, together) {
		var wire []byte
		for _, id := range some {
			wire = append(wire, begin(id, "/", 5)...)
		}
		for _, id := range some {
			wire = append(wire, body(id, fmt.Sprintf("%05d", id))...)
		}
		f.Write(wire)
		for _, id := range some {
			if out := f.until(t, id); !strings.HasSuffix(out, fmt.Sprintf("\r\n\r\n%05d", id)) {
				t.Fatalf("request %d: %q", id, out)
			}
		}
	}
	if n := r.Stats().Connections; n != 1 {
		t.Errorf("%d connections are open, want 1", n)
	}
}

// ABORT_REQUEST cancels one request and answers it, whatever its handler does; the
// id may be used again at once, and late output of the first goes nowhere.
func TestAbortOneOfSeveral(t *testing.T) {
	began, go1, caught := make(chan bool), make(chan bool), make(chan error, 1)
	r := start(t, cgi.FastCGI, nil, func(x *Exchange) {
		uri := x.Head.Vars.Get("REQUEST_URI")
		if uri == "/stay" {
			x.OnAbort(func(err error) { caught <- err })
			began <- true
			<-go1
			if _, err := x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 3}, []byte("old"), true); !errors.Is(err, cgi.ErrAborted) {
				t.Errorf("Answer after the abort: %v", err)
			}
			began <- true
			return
		}
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 3}, []byte("new"), true)
	})
	f := newFront(r.dial(t))
	f.Write(begin(1, "/stay", 0))
	<-began
	f.Write(begin(2, "/", 0))
	f.Write(body(2, ""))
	f.until(t, 2)
	f.Write(record(2, 1, ""))
	if out := f.until(t, 1); out != "" {
		t.Errorf("aborted: %q", out)
	}
	if err := <-caught; !errors.Is(err, cgi.ErrAborted) {
		t.Errorf("cause %v", err)
	}
	f.Write(begin(1, "/", 0))
	go1 <- true
	<-began
	f.Write(body(1, ""))
	if out := f.until(t, 1); !strings.HasSuffix(out, "new") {
		t.Errorf("the next with its id: %q", out)
	}
}

// A body that nobody reads stays with the front: memory is bounded.
func TestBackPressure(t *testing.T) {
	read := make(chan bool)
	r := start(t, cgi.FastCGI, nil, func(x *Exchange) {
		<-read
		n, err := io.Copy(io.Discard, x)
		if n != 8<<20 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		x.Answer(&cgi.AnswerHead{Status: 204, NoBody: true, NoLength: true}, nil, true)
	})
	c := r.dial(t)
	f := newFront(c)
	f.Write(begin(1, "/", 8<<20))
	sent := make(chan error, 1)
	go func() { _, err := f.Write(body(1, strings.Repeat("x", 8<<20))); sent <- err }()
	conns := r.conns.all(nil)
	for range 20 {
		for _, c := range conns {
			c.mu.Lock()
			if c.first != nil && (c.first.body.size() > window || c.first.body.file != nil) {
				t.Errorf("%d bytes are kept, spooled: %v", c.first.body.size(), c.first.body.file != nil)
			}
			c.mu.Unlock()
		}
	}
	select {
	case err := <-sent:
		t.Errorf("8 MB went nowhere: %v", err)
	default:
	}
	close(read)
	f.until(t, 1)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// A line for the front's log stands before the end of the answer, where the listener
// asks for it. A long one is cut, and none ends the stream.
func TestStderr(t *testing.T) {
	for _, on := range []bool{false, true} {
		r := startOn(t, Listener{Stderr: on}, nil, func(x *Exchange) {
			x.Stderr("first")
			x.Stderr("")
			x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 2}, []byte("o"), false)
			x.Stderr(strings.Repeat("x", 5000))
			x.Answer(nil, []byte("k"), true)
			x.Stderr("too late")
		})
		want := ""
		if on {
			want = "first" + strings.Repeat("x", 1000)
		}
		a, err := fastcgi.Do(r.dial(t), []cgi.Var{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "SCRIPT_NAME", Value: "/"}}, nil)
		if err != nil || string(a.Body) != "ok" || string(a.Stderr) != want {
			t.Errorf("asked for it %v: %+v, %v", on, a, err)
		}
		u, err := uwsgi.Do(r.dial(t), []cgi.Var{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "PATH_INFO", Value: "/"}}, nil)
		if err != nil || string(u.Body) != "ok" {
			t.Errorf("uwsgi: %+v, %v", u, err)
		}
	}
}

// A router passes a chunked body on as it came, where the listener says so.
func TestChunkedInput(t *testing.T) {
	r := startOn(t, Listener{Protocol: cgi.UWSGI, ChunkedInput: true}, nil, echo)
	for range 2 { // the second gets the first one's codec
		c := r.dial(t)
		head, err := uwsgi.AppendRequest(nil, 0, []cgi.Var{{Name: "REQUEST_METHOD", Value: "POST"}, {Name: "PATH_INFO", Value: "/"}, {Name: "HTTP_TRANSFER_ENCODING", Value: "chunked"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, string(head)+"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
		if out, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(out), "\r\n\r\nhello world") {
			t.Errorf("%q, %v", out, err)
		}
	}
}

// A front puts requests beside others all the time. When the worker leaves it is asked
// to stop that, by the status behind complete answers, so that there is a moment at
// which the connection can be passed on; where nobody takes it, it ends then.
func TestSharedConnectionLeaves(t *testing.T) {
	for _, adopted := range []bool{true, false} {
		taken := make(chan int, 1)
		r := start(t, cgi.FastCGI, func(c *Config) {
			c.PassIdle = func(fd, _ int, _ cgi.Protocol) bool { taken <- fd; return true }
		}, echo)
		wire := r.dial(t)
		f := newFront(wire)
		f.Write(begin(1, "/", 3))
		f.Write(begin(3, "/", 3))
		until(t, "both requests have begun", func() bool { return r.Stats().Active == 2 })
		drained := make(chan error, 1)
		go func() { drained <- r.Drain(t.Context(), DrainOptions{Pass: adopted}) }()
		until(t, "the connection knows that the worker leaves", func() bool { return r.draining.Load() && r.leaving.Load() == 0 })
		for id := uint16(1); id < 9; id += 2 { // one begins before the one before it ends
			if id > 3 {
				f.Write(begin(id, "/", 3))
			}
			if id > 1 {
				f.Write(body(id-2, "abc"))
				if out := f.until(t, id-2); !strings.HasSuffix(out, "abc") {
					t.Errorf("request %d: %q", id-2, out)
				}
				if got := f.status; got != 1 {
					t.Errorf("request %d ends with status %d, want CANT_MPX_CONN", id-2, got)
				}
			}
		}
		f.Write(body(7, "abc"))
		if out := f.until(t, 7); !strings.HasSuffix(out, "abc") || f.status != 0 {
			t.Errorf("the last request: %q, status %d", out, f.status)
		}
		if adopted {
			closeFD(<-taken)
		}
		if _, err := io.ReadAll(wire); err != nil {
			t.Error(err)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
	}
}

// What a front still sends of a request that was answered does not keep a worker that
// leaves.
func TestOwedBodyWhileLeaving(t *testing.T) {
	r := start(t, cgi.FastCGI, nil, func(x *Exchange) {
		x.Answer(&cgi.AnswerHead{Status: 413, ContentLength: 2}, []byte("no"), true)
	})
	f := newFront(r.dial(t))
	f.Write(begin(1, "/", 1000))
	if out := f.until(t, 1); !strings.HasSuffix(out, "no") {
		t.Errorf("%q", out)
	}
	f.Write(record(5, 1, "a part of it"))
	go func() {
		io.Copy(io.Discard, f) // up to the end of the server's side
		f.Close()
	}()
	if err := r.Drain(t.Context(), DrainOptions{}); err != nil {
		t.Error(err)
	}
}
