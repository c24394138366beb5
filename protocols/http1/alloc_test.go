package http1

import (
	"net/netip"
	"testing"
)

// A kept GET costs its head and its text; the answer costs nothing.
func TestAllocations(t *testing.T) {
	c, s, in := NewCodec(trusting(), netip.AddrPort{}, netip.AddrPort{}), &nobody{}, []byte(browserGet)
	out, body := make([]byte, 0, 4096), []byte("hello world\n")
	n := testing.AllocsPerRun(200, func() {
		if _, err := c.Feed(in, s); err != nil {
			t.Fatal(err)
		}
		out = c.AppendAnswer(out[:0], requestID, hello, body, true)
	})
	if n > 2 {
		t.Errorf("%v allocations for a kept GET, want 2", n)
	}
	if c.partial != nil || !c.Idle() {
		t.Error("an idle connection holds a buffer")
	}
}

// Streaming a body in chunks, both ways, costs nothing.
func TestAllocationsOfBodies(t *testing.T) {
	c, s := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), &nobody{}
	if _, err := c.Feed([]byte(chunked("")), s); err != nil {
		t.Fatal(err)
	}
	piece, out := []byte("5\r\nhello\r\n"), make([]byte, 0, 4096)
	h := *hello
	h.ContentLength = -1
	c.AppendAnswer(out, requestID, &h, nil, false)
	n := testing.AllocsPerRun(200, func() {
		if _, err := c.Feed(piece, s); err != nil {
			t.Fatal(err)
		}
		out = c.AppendAnswer(out[:0], requestID, nil, piece, false)
	})
	if n != 0 {
		t.Errorf("%v allocations for a chunk in and one out, want none", n)
	}
}
