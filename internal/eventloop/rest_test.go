//go:build linux

package eventloop

import (
	"bufio"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// Every worker is busy all the time, so that a request on a kept connection is always
// seen by the mover and offered in vain. The next thread that comes out of the
// application serves it all the same.
func TestKeptConnectionsAreNotOfferedForEver(t *testing.T) {
	var r *rig
	r = start(t, cgi.HTTP, func(c *Config) {
		c.WholeBody, c.Siblings = true, 1
		c.PassIdle = func(fd, listener int, p cgi.Protocol) bool { return r.Adopt(fd, listener, p, true) == nil }
	}, nil)
	client := r.dial(t)
	answers := bufio.NewReader(client)
	events := make([]syscall.EpollEvent, 1)
	for n := range 20 {
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		var x *Exchange
		for end := time.Now().Add(30 * time.Second); x == nil; {
			if n == 0 {
				x = harvest(r, events, 100)
			} else {
				r.Move(1) // whatever epoll has is the mover's
				x = r.Turn(nil)
			}
			if time.Now().After(end) {
				t.Fatalf("request %d is not served", n)
			}
		}
		wholeEcho(x)
		if res, err := http.ReadResponse(answers, nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("request %d: %v, %v", n, res, err)
		}
	}
}
