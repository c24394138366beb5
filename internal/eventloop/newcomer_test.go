//go:build linux

package eventloop

import (
	"io"
	"syscall"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// A connection that was empty when it was accepted is looked at in the next turn, also
// where every turn has something else to do.
func TestNewcomersAreNotForgotten(t *testing.T) {
	r := start(t, cgi.HTTP, func(c *Config) { c.WholeBody = true }, nil)
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	events := make([]syscall.EpollEvent, 1)
	turn := func() *Exchange {
		t.Helper()
		if n, err := syscall.EpollWait(r.EpollFD(), events, 10_000); n != 1 {
			t.Fatalf("%d events, %v", n, err)
		}
		return r.Turn(events)
	}
	late := r.dial(t)
	if x := turn(); x != nil || r.Unsettled() != 1 {
		t.Fatalf("%v of an empty connection, %d to be looked at", x, r.Unsettled())
	}
	io.WriteString(late, request)
	io.WriteString(r.dial(t), request)
	first := turn()
	second := r.Next()
	if first == nil || second == nil {
		t.Fatalf("of two requests came %v and %v", first, second)
	}
	wholeEcho(first)
	wholeEcho(second)
}
