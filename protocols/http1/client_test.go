package http1

import (
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// Requests that the client writes are what the codec reads, and the other way round.
func TestClient(t *testing.T) {
	long := strings.Repeat("0123456789", 10000)
	tests := []struct {
		name string
		h    cgi.Head
		body string
	}{
		{"get", cgi.Head{Method: "GET", Target: "/a?b", Proto: "HTTP/1.1", Host: "h", KeepAlive: true}, ""},
		{"get, closed", cgi.Head{Method: "GET", Target: "/", Proto: "HTTP/1.1", Host: "h"}, ""},
		{"1.0", cgi.Head{Method: "GET", Target: "/", Proto: "HTTP/1.0"}, ""},
		{"1.0, kept", cgi.Head{Method: "GET", Target: "/", Proto: "HTTP/1.0", KeepAlive: true}, ""},
		{"post", cgi.Head{Method: "POST", Target: "/", Proto: "HTTP/1.1", Host: "h", KeepAlive: true, ContentLength: 100000}, long},
		{"chunked", cgi.Head{Method: "POST", Target: "/", Proto: "HTTP/1.1", Host: "h", KeepAlive: true, ContentLength: -1}, long},
		{"fields", cgi.Head{Method: "GET", Target: "/", Proto: "HTTP/1.1", KeepAlive: true,
			Vars: cgi.Vars{{Name: "host", Value: "h"}, {Name: "X-A", Value: "b"}}}, ""},
	}
	for _, tt := range tests {
		c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
		in := AppendRequest(nil, &tt.h, []byte(tt.body))
		if n, err := c.Feed(in, r); n != len(in) || err != nil {
			t.Errorf("%s: %d of %d, %v", tt.name, n, len(in), err)
			continue
		}
		h := r.heads[0]
		if h.Method != tt.h.Method || h.Target != tt.h.Target || h.KeepAlive != tt.h.KeepAlive ||
			h.ContentLength != tt.h.ContentLength || r.bodies[0] != tt.body || c.state != atEnd {
			t.Errorf("%s: %s", tt.name, describe(h))
		}
		for _, unknown := range []bool{false, true} {
			checkAnswer(t, tt.name, h, tt.body, unknown)
		}
	}
}

// checkAnswer answers a request like h with body and reads that in pieces.
func checkAnswer(t *testing.T, name string, h *cgi.Head, body string, unknown bool) {
	t.Helper()
	c := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{})
	if _, err := c.Feed(AppendRequest(nil, &cgi.Head{Method: h.Method, Target: "/", Proto: h.Proto, Host: "h", KeepAlive: h.KeepAlive}, nil), newRecorder()); err != nil {
		t.Fatal(err)
	}
	head := &cgi.AnswerHead{Status: 203, ContentLength: int64(len(body)), Fields: []cgi.Var{{Name: "X-A", Value: "b"}}}
	if unknown {
		head.ContentLength = -1
	}
	out := c.AppendAnswer(nil, requestID, head, []byte(body[:len(body)/3]), false)
	out = c.AppendAnswer(out, requestID, nil, []byte(body[len(body)/3:]), true)
	for _, size := range []int{whole, 1, 1000} {
		var a Answer
		rest := out
		for len(rest) > 0 && !a.Done {
			n, err := a.Feed(rest[:min(size, len(rest))])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			rest = rest[n:]
		}
		if !c.KeepAlive() {
			if err := a.EOF(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !a.Done || a.Status != 203 || a.Get("x-a") != "b" || string(a.Body) != body || len(rest) > 0 || a.KeepAlive != c.KeepAlive() {
			t.Errorf("%s, unknown length %v, pieces of %d: done %v, status %d, %d bytes, keep-alive %v",
				name, unknown, size, a.Done, a.Status, len(a.Body), a.KeepAlive)
		}
	}
}

func TestClientContinue(t *testing.T) {
	var a Answer
	in := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP"
	if n, err := a.Feed([]byte(in)); n != len(in)-4 || err != nil || !a.Continued || a.Status != 200 || string(a.Body) != "hi" {
		t.Errorf("%d, %v, %+v", n, err, a)
	}
	a.Reset(true)
	in = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
	if n, err := a.Feed([]byte(in)); n != len(in) || err != nil || !a.Done || len(a.Body) > 0 || a.Continued {
		t.Errorf("to a HEAD: %d, %v, %+v", n, err, a)
	}
}

func TestClientRefuses(t *testing.T) {
	for _, in := range []string{
		"SSH-2.0-x\r\n\r\n",
		"HTTP/1.1 abc OK\r\n\r\n",
		"HTTP/1.1 200\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
	} {
		var a Answer
		if _, err := a.Feed([]byte(in)); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
	for _, in := range []string{"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"} {
		var a Answer
		if _, err := a.Feed([]byte(in)); err != nil || a.EOF() != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v, %v", in, err, a.EOF())
		}
	}
}
