// The table of connections, by descriptor.

//go:build linux

package eventloop

import (
	"math"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// table finds the connection that an event is for.
type table struct {
	mu    sync.Mutex
	conns []*conn // by descriptor
	gen   int32
	open  atomic.Int32 // how many there are
}

func (t *table) add(c *conn) {
	t.mu.Lock()
	for c.fd >= len(t.conns) {
		t.conns = append(t.conns, make([]*conn, max(len(t.conns), 64))...)
	}
	t.conns[c.fd] = c
	t.open.Add(1)
	t.gen = (t.gen + 1) & math.MaxInt32 // never listenerPad
	c.gen = t.gen
	t.mu.Unlock()
}

// remove takes a connection out and returns how many are left.
func (t *table) remove(c *conn) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns[c.fd] == c {
		t.conns[c.fd] = nil
		t.open.Add(-1)
	}
	return t.size()
}

// find returns the connection that an event is for, nil if it is closed: the
// generation tells it from a later one with the same descriptor.
func (t *table) find(ev *unix.EpollEvent) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if uint(ev.Fd) >= uint(len(t.conns)) {
		return nil
	}
	if c := t.conns[ev.Fd]; c != nil && c.gen == ev.Pad {
		return c
	}
	return nil
}

// all returns the connections of this moment.
func (t *table) all(into []*conn) []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		if c != nil {
			into = append(into, c)
		}
	}
	return into
}

func (t *table) size() int { return int(t.open.Load()) }

// admit makes a connection of a new descriptor. It is locked: others see it from now
// on, and are to wait until the caller has made it complete.
func (l *Loop) admit(ls *listener, fd int) *conn {
	c := &conn{loop: l, lis: ls, fd: fd, unix: ls.unix, readable: true}
	c.idleAt = l.now()
	c.inAt = c.idleAt
	c.fresh, c.whole = c.room[:0:1], c.room[1:1:2]
	c.mu.Lock()
	l.conns.add(c)
	l.mark(fd, 1)
	l.board.Adjust(handoff.Open, 1)
	return c
}

// forget takes a connection that is being closed out of the table.
func (l *Loop) forget(c *conn) {
	l.mark(c.fd, 0)
	left := l.conns.remove(c)
	c.lis.gate.left(c)
	l.board.Adjust(handoff.Open, -1)
	if left == l.maxConns-1 {
		l.hasRoom()
	}
	if left == 0 && l.draining.Load() {
		l.checkDrained()
	}
}

// mark tells the program that a descriptor is a connection's, or no longer.
func (l *Loop) mark(fd int, on uint8) {
	if fd < len(l.config.Marks) {
		l.config.Marks[fd] = on
	}
}
