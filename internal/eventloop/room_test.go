//go:build linux

package eventloop

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// A full worker leaves connections to another that has room: none waits, and none is
// refused. The first worker is full because of connections that say nothing, which
// came by other ways than its listener.
func TestAFullWorkerLeavesTheRest(t *testing.T) {
	for name, foreign := range map[string]bool{"Go": false, "foreign": true} {
		t.Run(name, func(t *testing.T) {
			limited := func(c *Config) {
				c.Settings.Connections, c.Siblings, c.WholeBody = 2, 1, foreign
			}
			serve := map[bool]func(*Exchange){false: echo}[foreign]
			full := start(t, cgi.HTTP, limited, serve)
			other := sibling(t, full, nil, serve)
			if foreign {
				threads(t, full, 1, wholeEcho)
				threads(t, other, 1, wholeEcho)
			}
			other.acceptsNot(t)
			for range 2 {
				silent := full.dial(t)
				silent.Write([]byte("GET"))
			}
			until(t, "both connections", func() bool { return full.Stats().Connections == 2 })
			other.AcceptOn()
			for i := range 40 {
				c := full.dial(t)
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
					t.Fatalf("connection %d: %v, %v", i, res, err)
				}
				c.Close()
			}
			until(t, "no more than one guest", func() bool { return full.Stats().Connections <= 3 })
		})
	}
}

// Idle kept connections never take all places for long.
func TestIdleConnectionsLeaveRoom(t *testing.T) {
	const limit = 4
	for _, p := range []cgi.Protocol{cgi.HTTP, cgi.FastCGI} {
		t.Run(p.String(), func(t *testing.T) {
			r := start(t, p, func(c *Config) { c.Settings.Connections = limit }, echo)
			for i := range 5 * limit {
				c := r.dial(t) // and stays as long as it may
				if p == cgi.HTTP {
					fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
					if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
						t.Fatalf("connection %d: %v, %v", i, res, err)
					}
					continue
				}
				f := newFront(c)
				f.Write(append(begin(1, "/", 0), body(1, "")...))
				if got := f.until(t, 1); !strings.HasPrefix(got, "Status: 200 ") {
					t.Fatalf("connection %d: %q", i, got)
				}
			}
			most := limit + guests(limit)
			if p == cgi.HTTP {
				most = limit - reserve(limit)
			}
			until(t, fmt.Sprintf("%d connections or fewer", most), func() bool { return r.Stats().Connections <= most })
		})
	}
}

// A request beyond those that a full worker has in flight gets the whole of a 503,
// however many come.
func TestOverloadIsAnswered(t *testing.T) {
	for name, foreign := range map[string]bool{"Go": false, "foreign": true} {
		t.Run(name, func(t *testing.T) {
			hold := make(chan struct{})
			held := func(x *Exchange) {
				if x.Head.Target == "/hold" {
					<-hold
				}
				wholeOrNot(x)
			}
			r := start(t, cgi.HTTP, func(c *Config) { c.Settings.Connections, c.WholeBody = 2, foreign },
				map[bool]func(*Exchange){false: held}[foreign])
			if foreign {
				threads(t, r, 3, held)
			}
			ask := func(path string) net.Conn {
				c := r.dial(t)
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
				return c
			}
			places := []net.Conn{ask("/hold"), ask("/hold")}
			until(t, "both requests", func() bool { return r.Stats().Active == 2 })
			var waiting []net.Conn
			for range 30 {
				waiting = append(waiting, ask("/"))
			}
			for i, c := range waiting {
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
					t.Fatalf("connection %d: %v, %v", i, res, err)
				}
				if _, err := io.ReadAll(res.Body); err != nil {
					t.Fatalf("connection %d: %v", i, err)
				}
				c.Close()
			}
			close(hold)
			until(t, "the places are free", func() bool { return r.Stats().Active == 0 })
			for i, c := range append(places, ask("/")) {
				if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
					t.Errorf("connection %d: %v, %v", i, res, err)
				}
			}
		})
	}
}

// wholeOrNot answers without a look at the body.
func wholeOrNot(x *Exchange) { x.Answer(&cgi.AnswerHead{Status: 200}, nil, true) }

// Connections that hold the places without a request in flight keep nobody out.
func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	r := start(t, cgi.FastCGI, func(c *Config) { c.Settings.Connections = 2 }, echo)
	for range 2 {
		r.dial(t).Write(begin(1, "/", 0)[:20])
	}
	until(t, "both connections", func() bool { return r.Stats().Connections == 2 })
	f := newFront(r.dial(t))
	for range 3 {
		f.Write(append(begin(1, "/", 0), body(1, "")...))
		if got := f.until(t, 1); !strings.HasPrefix(got, "Status: 200 ") {
			t.Errorf("got %q", got)
		}
	}
}

// A FastCGI front takes a kept connection for usable, so a refusal does not end it.
func TestRefusalOnAKeptConnection(t *testing.T) {
	hold := make(chan struct{})
	r := start(t, cgi.FastCGI, func(c *Config) { c.Settings.Connections = 1 }, func(x *Exchange) {
		if uri := x.Head.Vars.Get("REQUEST_URI"); uri == "/hold" {
			<-hold
		}
		echo(x)
	})
	first := newFront(r.dial(t))
	first.Write(append(begin(1, "/hold", 0), body(1, "")...))
	until(t, "the request", func() bool { return r.Stats().Active == 1 })
	f := newFront(r.dial(t))
	ask := func(want string) {
		t.Helper()
		f.Write(append(begin(1, "/", 3), body(1, "abc")...))
		if got := f.until(t, 1); !strings.HasPrefix(got, "Status: "+want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	ask("503 ")
	ask("503 ")
	close(hold)
	first.until(t, 1)
	until(t, "its place is free", func() bool { return r.Stats().Active == 0 }) // a moment after the answer
	ask("200 ")
}
