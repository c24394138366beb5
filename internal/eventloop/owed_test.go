//go:build linux

package eventloop

import (
	"bufio"
	"io"
	"net/http"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// sibling is another loop on the listener of r, as in another worker.
func sibling(t *testing.T, r *rig, change func(*Config), serve func(*Exchange)) *rig {
	t.Helper()
	config := Config{Settings: handoff.Defaults(), WholeBody: r.config.WholeBody, Serve: serve, Siblings: 1}
	if change != nil {
		change(&config)
	}
	l, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := r.ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		_, err = l.Listen(Listener{FD: int(fd), Protocol: r.listeners[0].Protocol, Address: "the same"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(nil); err != nil {
		t.Fatal(err)
	}
	return &rig{l, r.path, r.ln}
}

// acceptsNot turns accepting off and waits until that is so.
func (r *rig) acceptsNot(t *testing.T) {
	t.Helper()
	if r.config.Serve != nil {
		until(t, "an acceptor", func() bool {
			idle := r.listeners[0].mu.TryLock()
			if idle {
				r.listeners[0].mu.Unlock()
			}
			return !idle
		})
	}
	r.AcceptOff()
	r.rested()
}

// A connection that wakes a worker at the moment when that one is paused must not
// wait until the next connection wakes another.
func TestPausedWorkerOwesNothing(t *testing.T) {
	foreign := func(c *Config) { c.WholeBody, c.Siblings = true, 1 }
	first := start(t, cgi.HTTP, foreign, nil)
	second := sibling(t, first, nil, nil)
	for _, r := range []*rig{first, second} {
		threads(t, r, 1, wholeEcho)
	}
	for try := range 300 {
		for _, r := range []*rig{first, second} { // who is asked first is woken first
			r.AcceptOff()
			r.AcceptOn()
		}
		c := first.dial(t)
		first.AcceptOff()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("connection %d: %v, %v", try, res, err)
		}
		c.Close()
	}
}
