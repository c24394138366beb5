// Leaving together: workers with few threads share the queue that they empty.

//go:build linux

package eventloop

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

func TestDrainTakesTurns(t *testing.T) {
	r := start(t, cgi.HTTP, func(c *Config) { c.WholeBody = true }, nil)
	other, err := New(Config{Settings: handoff.Defaults(), WholeBody: true})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		_, err = other.Listen(Listener{FD: int(fd), Protocol: cgi.HTTP, Address: "the same"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	r.AcceptOff()
	other.AcceptOff()
	const queue = 40
	var waiting []net.Conn
	for range queue {
		c := r.dial(t)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		waiting = append(waiting, c)
	}
	var served [2]atomic.Int32
	for i, l := range []*Loop{r.Loop, other} {
		threads(t, &rig{Loop: l}, 1, func(x *Exchange) {
			served[i].Add(1)
			wholeEcho(x)
		})
	}
	var leaving sync.WaitGroup
	for _, l := range []*Loop{r.Loop, other} {
		leaving.Go(func() {
			if err := l.Drain(context.Background(), DrainOptions{Queue: true}); err != nil {
				t.Error(err)
			}
		})
	}
	for i, c := range waiting {
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Errorf("connection %d: %v, %v", i, res, err)
		}
	}
	leaving.Wait()
	a, b := served[0].Load(), served[1].Load()
	if a+b != queue || min(a, b) < queue/4 {
		t.Errorf("the two served %d and %d of %d requests", a, b, queue)
	}
}
