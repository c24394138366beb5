// Overload: a worker that holds as many connections as it may says so.

package e2e

import (
	"fmt"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
)

// At worker_connections the client gets a complete 503 through nginx, and is served
// again when there is room. Ways that keep connections are left out: the kept ones
// of one way would take the room of the next.
func TestOverload(t *testing.T) {
	a := ownAppd(t, nil, "workers = 1\nworker_connections = 2\n")
	for _, f := range startNginx(t, a) {
		if f.kept {
			continue
		}
		t.Run(f.code, func(t *testing.T) {
			a.awaitNobody(t)
			var held []func() error
			for range 2 {
				key := newKey()
				c, _ := raw(t, a.http(), fmt.Sprintf("GET /hang?key=%s HTTP/1.1\r\nHost: front\r\n\r\n", key))
				noted(t, a.notes, key, "began")
				held = append(held, c.Close)
			}
			got, err := request(f.addr, "GET", "/whoami", nil)
			if err != nil || got.status != 503 || got.header.Get("Retry-After") == "" || got.cut != nil {
				t.Errorf("answer = %+v, %v", got, err)
			}
			for _, end := range held {
				end()
			}
			eventually(t, "room again", func() bool {
				got, err := request(f.addr, "GET", "/whoami", nil)
				return err == nil && got.status == 200
			})
		})
	}
}

// awaitNobody waits until no worker has a connection: one that has been answered may
// still be draining.
func (a *appd) awaitNobody(t *testing.T) {
	t.Helper()
	eventually(t, "all connections have ended", func() bool {
		for _, w := range a.status(t).Workers {
			if w.Gauges[handoff.Open] > 0 {
				return false
			}
		}
		return true
	})
}
