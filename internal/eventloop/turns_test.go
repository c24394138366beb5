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

	"github.com/appd-server/appd/protocols/cgi"
)

func TestDrainTakesTurns(t *testing.T) {
	const queue, tries = 40, 20
	for range tries { // the machine may keep one of the two waiting until the other has done everything
		a, b := drainTogether(t, queue)
		if a+b != queue {
			t.Fatalf("the two served %d and %d of %d requests", a, b, queue)
		}
		if min(a, b) >= queue/4 {
			return
		}
	}
	t.Errorf("in %d tries one of the two served nearly everything", tries)
}

// drainTogether fills a queue, has two loops leave, and returns how much each served.
func drainTogether(t *testing.T, queue int) (a, b int) {
	r := start(t, cgi.HTTP, func(c *Config) { c.WholeBody = true }, nil)
	both := []*rig{r, sibling(t, r, nil, nil)}
	for _, l := range both {
		l.AcceptOff()
	}
	var waiting []net.Conn
	for range queue {
		c := r.dial(t)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		waiting = append(waiting, c)
	}
	var served [2]atomic.Int32
	var leaving sync.WaitGroup
	for i, l := range both {
		threads(t, l, 1, func(x *Exchange) {
			served[i].Add(1)
			wholeEcho(x)
		})
	}
	for _, l := range both {
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
		c.Close()
	}
	leaving.Wait()
	for _, l := range both {
		l.Close()
	}
	return int(served[0].Load()), int(served[1].Load())
}
