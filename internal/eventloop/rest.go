// Kept connections on which a request arrives while all threads are inside the
// application: they go to a worker that has a free thread, or rest.

//go:build linux

package eventloop

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/protocols/cgi"
)

// offer passes an idle kept connection on with the request that is just arriving,
// and reports whether it is gone. One that nobody had a free thread for comes back
// to rest.
func (c *conn) offer(ev uint32) bool {
	l := c.loop
	if l.config.PassIdle == nil || l.Alone() || ev != unix.EPOLLIN {
		return false
	}
	l.leaving.Add(1) // before we look whether it drains: a drain sees us, or we see it
	defer l.left()
	if l.draining.Load() {
		return false
	}
	c.mu.Lock()
	if c.closed || !c.idle() || c.proxied() {
		c.unlock()
		return false
	}
	l.offered.Store(true)
	fd, listener, p := c.detach(), c.lis.index, c.proto
	c.unlock()
	if !l.config.PassIdle(fd, listener, p) {
		if err := l.Adopt(fd, listener, p, true); err != nil {
			l.logf("%v", err)
		}
	}
	return true
}

// offerAgain is how long a connection rests that no worker had a free thread for,
// before it is looked at again: long against the trip through the supervisor, short
// against what a person notices.
const offerAgain = 5 * time.Millisecond

// resting are the connections of which nobody looks at the request, the oldest first.
// Where all workers are busy all the time they would be offered for ever, because
// whoever looks at epoll then is not a free thread; so the next thread that comes
// out of the application takes one.
type resting struct {
	n    atomic.Int32
	mu   sync.Mutex
	list []*sleeper
}

type sleeper struct {
	fd, listener int
	proto        cgi.Protocol
	timer        *time.Timer // until it is offered again
}

// rest keeps a connection out of epoll for a moment.
func (l *Loop) rest(fd, listener int, p cgi.Protocol) {
	l.leaving.Add(1) // a drain waits for it
	r := &sleeper{fd: fd, listener: listener, proto: p}
	l.resting.mu.Lock()
	defer l.resting.mu.Unlock()
	r.timer = time.AfterFunc(offerAgain, func() {
		if l.resting.remove(r) {
			l.rouse(r, false)
		}
	})
	l.resting.list = append(l.resting.list, r)
	l.resting.n.Add(1)
}

// rouseOne has a thread that is free take the connection that has rested longest.
func (l *Loop) rouseOne() {
	if l.resting.n.Load() == 0 {
		return
	}
	if r := l.resting.take(); r != nil {
		r.timer.Stop()
		l.rouse(r, true)
	}
}

// rouse takes a connection back.
func (l *Loop) rouse(r *sleeper, read bool) {
	defer l.left()
	if err := l.adopt(r.fd, r.listener, r.proto, read); err != nil {
		l.logf("%v", err)
	}
}

// take removes the one that has rested longest, nil if there is none.
func (q *resting) take() *sleeper {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return nil
	}
	r := q.list[0]
	q.list = slices.Delete(q.list, 0, 1)
	q.n.Add(-1)
	return r
}

// remove says whether r was there: whoever removed it takes it.
func (q *resting) remove(r *sleeper) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.list, r)
	if i < 0 {
		return false
	}
	q.list = slices.Delete(q.list, i, i+1)
	q.n.Add(-1)
	return true
}
