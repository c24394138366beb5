//go:build linux

package eventloop

import (
	"context"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// A worker offers a connection with a request on it to others, and is told to leave
// before it comes back. It waits for the word that all have arrived, and serves it.
func TestADrainWaitsForWhatWasOffered(t *testing.T) {
	type offer struct {
		fd, listener int
		p            cgi.Protocol
	}
	offers, asked, word := make(chan offer, 1), make(chan struct{}), make(chan struct{})
	r := start(t, cgi.HTTP, func(c *Config) {
		c.Serve, c.Multiplex, c.WholeBody, c.Siblings = nil, false, true, 1
		c.PassIdle = func(fd, listener int, p cgi.Protocol) bool {
			offers <- offer{fd, listener, p}
			return true
		}
		c.Fence = func() <-chan struct{} {
			close(asked)
			return word
		}
	}, nil)
	c := r.dial(t)
	until(t, "the connection is accepted", func() bool {
		if x := harvest(r, make([]syscall.EpollEvent, 1), 20); x != nil {
			t.Fatal("a request came from nowhere")
		}
		return r.conns.size() == 1
	})
	r.fresh.register()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	until(t, "it is offered", func() bool { r.Move(20); return len(offers) == 1 })
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(context.Background(), DrainOptions{Queue: true}) }()
	<-asked
	select {
	case err := <-drained:
		t.Fatalf("Drain() = %v, with a connection under way", err)
	case <-time.After(20 * time.Millisecond):
	}
	o := <-offers
	if err := r.Adopt(o.fd, o.listener, o.p, false); err != nil {
		t.Fatal(err)
	}
	close(word)
	threads(t, r, 1, wholeEcho)
	if text, err := io.ReadAll(c); !strings.Contains(string(text), " 200 ") {
		t.Errorf("%q, %v", text, err)
	}
	c.Close()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
