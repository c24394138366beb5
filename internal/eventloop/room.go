// Room: what happens when a worker has as many connections as it may hold.

//go:build linux

package eventloop

import (
	"cmp"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	fullPause = 20 * time.Millisecond // between two looks at a listener that is left alone
	fullLimit = time.Second           // that connections wait for a place before they get 503
	longIdle  = time.Second           // after which a front will hardly use a connection soon
	fullNote  = time.Minute           // between two lines in the log
)

// A connection costs a place while it is open, also while it is idle. Idle kept ones
// are not to hold all of them:
//
//   - While less than an eighth of the places is free, an answer over HTTP is the last
//     of its connection, and says so. No other protocol can say it, and a front that
//     finds its connection closed after it has sent a request on it loses that request
//     (nginx repeats a GET, not a POST).
//   - A full worker leaves its listeners to others. If connections wait there all the
//     same, it closes those that were idle for longest, at least a second: fronts use
//     the one first that they used last.
//
//   - What still waits is let in as a guest, beyond the limit but not without bound:
//     soon if fewer requests than places are in flight, otherwise after a second. A
//     guest's request is served if so few are in flight, else it gets a 503: that tells
//     a front more than a connect that fails.

// reserve is the eighth.
func reserve(places int) int { return max(places/8, 1) }

// full says that all places are taken.
func (l *Loop) full() bool { return l.conns.size() >= l.maxConns }

// crowded says that an answer given now should be the last of its connection.
func (l *Loop) crowded() bool { return l.conns.size() > l.maxConns-reserve(l.maxConns) }

// guests is how many connections may be open beyond the limit.
func guests(places int) int { return reserve(places) + 8 }

// hasRoom wakes whoever waits for a place: the acceptors, or the sweep, which has
// foreign threads accept again.
func (l *Loop) hasRoom() {
	if l.config.Serve == nil {
		wake(l.room)
		return
	}
	for _, ls := range l.listeners {
		wake(ls.room)
	}
}

// closed says whether to leave the listener alone. It is called at times while this
// process is not among those that a new connection may wake.
func (ls *listener) closed() bool {
	l := ls.loop
	if !l.full() {
		ls.waits = 0
		return false
	}
	now := handoff.Now()
	if l.noteFull(now) {
		l.logf("all %d connections (worker_connections) are in use", l.maxConns)
	}
	switch {
	case !readable(ls.fd):
		ls.waits = 0
	case ls.waits == 0:
		ls.waits = now
	case l.endIdle(now):
		return false
	case !l.busy() || now-ls.waits >= int64(fullLimit):
		ls.takeGuests()
	}
	return true
}

// endIdle closes some of the connections that were idle for longest, and says whether
// there were any.
func (l *Loop) endIdle(now int64) bool {
	type idler struct {
		c    *conn
		last int64
	}
	var idlers []idler
	for _, c := range l.conns.all(nil) {
		c.mu.Lock()
		if last := max(c.idleAt, c.inAt); c.idle() && now-last >= int64(longIdle) {
			idlers = append(idlers, idler{c, last})
		}
		c.mu.Unlock()
	}
	slices.SortFunc(idlers, func(a, b idler) int { return cmp.Compare(a.last, b.last) })
	ended := false
	for _, i := range idlers[:min(len(idlers), reserve(l.maxConns))] {
		i.c.mu.Lock()
		if !i.c.closed && i.c.idle() && !readable(i.c.fd) {
			i.c.close()
			ended = true
		}
		i.c.unlock()
	}
	return ended
}

// noteFull says whether it is time for a line in the log.
func (l *Loop) noteFull(now int64) bool {
	last := l.fullNoted.Load()
	return (last == 0 || now-last > int64(fullNote)) && l.fullNoted.CompareAndSwap(last, now)
}

// busy says that a guest's request is one too many.
func (l *Loop) busy() bool { return int(l.inFlight.Load()) >= l.maxConns }

// takeGuests accepts beyond the limit, as many as may be refused at a time.
func (ls *listener) takeGuests() {
	l := ls.loop
	for l.conns.size() < l.maxConns+guests(l.maxConns) && ls.letIn(overloaded) {
	}
}

// readable says whether a connection or bytes wait.
func readable(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return n > 0 && err == nil
}
