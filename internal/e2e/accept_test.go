// Who wakes up for a new connection.

package e2e

import (
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// Of eight workers one wakes up for a connection; with Go's own registration several
// do, and find nothing.
func TestNoHerd(t *testing.T) {
	a := ownAppd(t, nil, "workers = 8\n")
	sum := func() (woken, accepted uint64) {
		for _, w := range a.status(t).Workers {
			woken += w.Counters.Events[handoff.WokenUp]
			accepted += w.Counters.Events[handoff.Accepted]
		}
		return woken, accepted
	}
	eventually(t, "eight workers are ready", func() bool { return ready(a.status(t)) == 8 })
	woken, accepted := sum()
	const calls = 50
	for range calls {
		c, r := raw(t, a.http(), "GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		c.Close()
		time.Sleep(pause) // a herd would wake meanwhile
	}
	nowWoken, nowAccepted := sum()
	woken, accepted = nowWoken-woken, nowAccepted-accepted
	if accepted != calls || woken > calls*13/10 {
		t.Errorf("%d wake-ups for %d connections, of which %d were accepted", woken, calls, accepted)
	}
}
