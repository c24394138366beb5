// The gate: when a listener is left alone although connections may wait.

//go:build linux

package eventloop

import (
	"sync/atomic"
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	perLoad    = 200 * time.Microsecond // of standing aside, for each request or new connection held
	easy       = 2                      // load that counts for nothing
	longest    = 5 * time.Millisecond
	burstEnd   = 50 * time.Millisecond // without a new connection
	brokenMin  = 5 * time.Millisecond
	brokenMax  = time.Second
	brokenNote = time.Minute
)

// gate spreads connections among workers, and backs off when descriptors run out.
// Whoever accepts uses it, but for left.
//
// After a worker has taken a connection that it holds, it stands aside in
// proportion to its load, so that one with less to do takes the next. If nobody
// took it (it still waits when the worker comes back) for as long as the longest
// absence, everybody is busy and standing aside helps nobody: from then on the
// worker takes one more each time before it stands aside, and for a shorter time.
type gate struct {
	epoch   atomic.Int32  // of the present burst
	burst   atomic.Int32  // connections of it that are open
	last    int64         // when the last one came
	starved int           // how many more than one to take before standing aside
	since   int64         // since when a connection was there at every return
	taken   int           // since the worker stood aside
	pause   time.Duration // back-off after errors
	noted   int64
}

// entered and left count the connections of a burst.
func (g *gate) entered(c *conn) {
	c.epoch = g.epoch.Load()
	g.burst.Add(1)
}

func (g *gate) left(c *conn) {
	if c.epoch == g.epoch.Load() {
		g.burst.Add(-1)
	}
}

// accepted is called after every connection. It returns how long to stand aside.
func (g *gate) accepted(l *Loop) time.Duration {
	if l.Alone() {
		return 0
	}
	now := handoff.Now()
	if now-g.last > int64(burstEnd) {
		g.epoch.Add(1)
		g.burst.Store(0)
	}
	g.last = now
	load := max(int(g.burst.Load()), int(l.inFlight.Load())) - max(easy, l.config.Settings.Threads)
	if load <= 0 {
		return 0
	}
	if g.taken++; g.taken <= g.starved {
		return 0
	}
	g.taken = 0
	d := min(time.Duration(load)*perLoad, longest) / time.Duration(1+g.starved)
	if g.since == 0 {
		g.since = now
	} else if now-g.since > int64(longest) {
		g.starved = min(g.starved+1, 16)
	}
	return d
}

// empty is called when no connection waits.
func (g *gate) empty() { g.starved, g.taken, g.since = 0, 0, 0 }

// broken is called when accept fails for want of descriptors or memory.
func (g *gate) broken(ls *listener, e syscall.Errno) time.Duration {
	g.pause = min(max(2*g.pause, brokenMin), brokenMax)
	if now := handoff.Now(); g.noted == 0 || now-g.noted > int64(brokenNote) {
		g.noted = now
		ls.loop.logf("%s: accept: %v; trying again, less often", ls.Address, e)
	}
	return g.pause
}

func (g *gate) mended() { g.pause = 0 }
