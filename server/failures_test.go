//go:build linux

package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/uwsgi"
)

// An answer may be complete while the front is within a record of the body that
// nobody wants; the connection goes on behind it.
func TestAnswerWithinARecord(t *testing.T) {
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	c := st.dial(t)
	in := bufio.NewReader(c)
	a := ask{method: "POST", path: "/first", length: 9000, keep: true}
	body := a.piece("fastcgi", make([]byte, 9000))
	c.Write(append(a.head("fastcgi"), body[:4000]...))
	if got, err := receiveAnswer("fastcgi", in, &a); err != nil || got.body != "/first" {
		t.Fatalf("got %+v, %v", got, err)
	}
	c.Write(append(body[4000:], a.piece("fastcgi", nil)...))
	b := ask{method: "GET", path: "/second", keep: true}
	c.Write(b.wire("fastcgi"))
	if got, err := receiveAnswer("fastcgi", in, &b); err != nil || got.body != "/second" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// A HEAD gets no body either where the request is refused.
func TestRefusedHead(t *testing.T) {
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) { t.Errorf("handled: %q", r.Host) })
	for _, method := range []string{"HEAD", "GET"} {
		vars := []cgi.Var{{Name: "REQUEST_METHOD", Value: method}, {Name: "PATH_INFO", Value: "/"}, {Name: "HTTP_HOST", Value: "a b"}}
		f, err := fastcgi.Do(st.dial(t), vars, nil)
		if err != nil || f.Head.Status != 400 || (len(f.Body) == 0) != (method == "HEAD") {
			t.Errorf("FastCGI, %s: %+v, %v", method, f, err)
		}
		u, err := uwsgi.Do(st.dial(t), vars, nil)
		if err != nil || u.Head.Status != 400 || (len(u.Body) == 0) != (method == "HEAD") {
			t.Errorf("uwsgi, %s: %+v, %v", method, u, err)
		}
	}
}

// A front that still sends must be able to, however early the answer came: a write
// that fails makes it forget the answer.
func TestEarlyAnswerLetsTheFrontSend(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "enough") }
	eachProtocol(t, plainServer, h, func(t *testing.T, st *site, p string) {
		c := st.dial(t)
		a := ask{method: "POST", path: "/", length: 20 << 20}
		piece := a.piece(p, make([]byte, 30000))
		c.Write(append(a.head(p), piece...))
		got, err := receiveAnswer(p, bufio.NewReader(c), &a)
		if err != nil || got.body != "enough" || !got.complete {
			t.Fatalf("got %+v, %v", got, err)
		}
		for range 20 {
			if _, err := c.Write(piece); err != nil {
				t.Fatalf("sending on after the answer: %v", err)
			}
		}
	})
}

func TestLargeFirstWriteIsSniffed(t *testing.T) {
	page := "<!DOCTYPE html><title>x</title>" + strings.Repeat("<p>long", 5000)
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/two" {
			io.WriteString(w, page[:10])
			io.WriteString(w, page[10:])
			return
		}
		io.WriteString(w, page)
	})
	for _, path := range []string{"/one", "/two"} {
		got := st.do(t, "http", ask{method: "GET", path: path})
		if ct := got.header.Get("Content-Type"); ct != "text/html; charset=utf-8" || got.body != page {
			t.Errorf("%s: Content-Type %q, %d bytes", path, ct, len(got.body))
		}
	}
}

// A peer that goes away in the middle of a large answer is no fault of the handler.
func TestPeerGoesWhileItIsAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ended, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	h := func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		w.Header().Set("Content-Type", "text/plain")
		<-gone
		if r.URL.Path == "/file" {
			http.ServeFile(w, r, path)
			return
		}
		for range 4 {
			if _, err := w.Write(make([]byte, 4<<20)); err != nil {
				return
			}
		}
	}
	for _, path := range []string{"/file", "/bytes"} {
		eachProtocol(t, plainServer, h, func(t *testing.T, st *site, p string) {
			c := st.dial(t)
			a := ask{method: "GET", path: path, keep: true}
			c.Write(a.wire(p))
			raw, _ := c.(syscall.Conn).SyscallConn()
			raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RD) }) // writing to it is EPIPE, and there is no hang-up
			gone <- struct{}{}
			<-ended
			st.noLog(t)
		})
	}
}

// noLog fails if a line was logged.
func (s *site) noLog(t *testing.T) {
	t.Helper()
	select {
	case line := <-s.errors.c:
		t.Errorf("logged: %s", line)
	case <-time.After(50 * time.Millisecond):
	}
}

// A copy that fails under a reverse proxy must not look complete: httputil breaks
// off only where it finds a server.
func TestReverseProxyBreaksOff(t *testing.T) {
	short := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "x"}) },
		Transport: short.transport(),
	}
	front := serve(t, plainServer(), proxy.ServeHTTP)
	if got := front.do(t, "http", ask{method: "GET", path: "/"}); got.complete {
		t.Errorf("a cut answer looks complete: %+v", got)
	}
}

func TestHookThatPanics(t *testing.T) {
	s := &Server{Hooks: Hooks{PostRequest: func(*http.Request, int) { panic("hook") }}}
	st := serve(t, s, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") })
	for range 2 {
		if got := st.do(t, "fastcgi", ask{method: "GET", path: "/"}); got.body != "fine" {
			t.Errorf("got %+v", got)
		}
	}
	st.wantLog(t, "post_request")
}

// transport is a client that reaches the server whatever the address says.
func (s *site) transport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, s.network, s.address)
	}}
}

// Whoever forwards a body closes it while somebody else reads; the race detector looks on.
func TestBodyClosedWhileRead(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		begun, ended := make(chan bool), make(chan error)
		go func() {
			_, err := io.ReadFull(r.Body, make([]byte, 1))
			begun <- err == nil
			_, err = io.Copy(io.Discard, r.Body)
			ended <- err
		}()
		<-begun
		r.Body.Close()
		if err := <-ended; err != nil && err != http.ErrBodyReadAfterClose {
			t.Errorf("the reader got %v", err)
		}
		io.WriteString(w, "closed")
	}
	eachProtocol(t, plainServer, h, func(t *testing.T, st *site, p string) {
		got := st.do(t, p, ask{method: "POST", path: "/", body: strings.Repeat("x", 300000)})
		if got.body != "closed" {
			t.Errorf("got %+v", got)
		}
	})
}
