// Foreign threads: the turns that they take, and what moves while all are busy.

//go:build linux

package eventloop

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// EpollFD is the descriptor that foreign threads wait on. They may add descriptors
// of their own; events whose data the loop does not know are ignored by Turn. The
// upper half of a data word (the Pad of an EpollEvent) is never -1 for a
// descriptor of the loop except a listener's.
func (l *Loop) EpollFD() int { return l.ep }

// listenerPad marks events of listeners.
const listenerPad = -1

// Turn handles events that the caller harvested from EpollFD and returns an
// exchange that may start, nil if there is none; more of them wait for Next. It
// never blocks and may be called by several threads.
//
// A front connects first and writes then, so a new connection is often empty at
// first sight. While [Loop.Unsettled] is not 0 the caller harvests without waiting,
// and calls Turn without events when there are none: the next turn reads what arrived
// meanwhile, and only a connection that is empty still costs a registration in epoll.
func (l *Loop) Turn(events []syscall.EpollEvent) *Exchange {
	l.rouseOne()
	l.fresh.settle()
	for i := range events {
		e := &events[i]
		ev := unix.EpollEvent{Events: e.Events, Fd: e.Fd, Pad: e.Pad} // on arm64 the types have other paddings
		if ev.Pad != listenerPad {
			l.dispatch(&ev)
			continue
		}
		for _, ls := range l.listeners {
			if ls.key == ev.Fd {
				ls.acceptOne()
			}
		}
	}
	x := l.Next()
	if x != nil && l.config.Settings.Threads > 1 {
		l.fresh.register() // other threads wait, and this one goes away
	}
	return x
}

// Unsettled is the number of connections that are not in epoll and wait for a thread;
// see Turn.
func (l *Loop) Unsettled() int { return int(l.fresh.n.Load() + l.resting.n.Load()) }

// newcomers are connections that were empty when they were accepted.
type newcomers struct {
	n    atomic.Int32
	mu   sync.Mutex
	list []*conn
}

func (f *newcomers) add(c *conn) {
	f.mu.Lock()
	f.list = append(f.list, c)
	f.n.Add(1)
	f.mu.Unlock()
}

func (f *newcomers) take() *conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == 0 {
		return nil
	}
	c := f.list[len(f.list)-1]
	f.list = f.list[:len(f.list)-1]
	f.n.Add(-1)
	return c
}

// settle reads what arrived meanwhile, and registers what is empty still.
func (f *newcomers) settle() {
	if f.n.Load() == 0 {
		return
	}
	for c := f.take(); c != nil; c = f.take() {
		c.mu.Lock()
		if !c.registered && !c.closed {
			c.readable = true
			c.pull()
		}
		c.wait()
		c.unlock()
	}
}

func (f *newcomers) register() {
	for c := f.take(); c != nil; c = f.take() {
		c.settleIn()
	}
}

// wait registers a connection, unless it is being served by a thread at once and the
// others need not look at it meanwhile: where a FastCGI connection is kept the next
// request may come beside the one at hand.
func (c *conn) wait() {
	x := c.first // nil too where only others are active
	if !c.closed && (x == nil || !x.handed || c.proto == cgi.FastCGI && x.Head.KeepAlive && c.loop.config.Settings.Threads > 1) {
		c.register()
	}
}

// Next returns an exchange that may start, nil if there is none. Call it before
// waiting again: an answer may have freed the next request of its connection.
func (l *Loop) Next() *Exchange {
	x := l.ready.pop()
	if x != nil {
		l.board.Waited(x.before + time.Duration(handoff.Now()-x.Started))
	}
	return x
}

// Queued is the number of exchanges that Next would return.
func (l *Loop) Queued() int { return l.ready.size() }

// Move is a turn that starts nothing, for the moments when all threads are inside
// the application: it registers connections that were not yet (so that hang-ups are
// seen), moves bytes, answers management records and queues requests that become
// complete. It waits up to milliseconds for events.
//
// A request that arrives on an idle kept connection is not read: the connection is
// offered to Config.PassIdle, because another worker may have a free thread.
func (l *Loop) Move(milliseconds int) {
	l.fresh.settle()
	for _, c := range l.conns.all(nil) {
		c.settleIn()
	}
	var events [16]unix.EpollEvent
	n, err := unix.EpollWait(l.ep, events[:], milliseconds)
	if err != nil {
		return
	}
	for i := range n {
		ev := &events[i]
		if ev.Pad == listenerPad {
			l.oweOne(ev.Fd)
		} else if c := l.conns.find(ev); c != nil && !c.offer(ev.Events) {
			c.event(ev.Events)
		}
	}
}

// oweOne takes a connection for which this process was woken although no thread is
// free. What it asks for can still be passed on.
func (l *Loop) oweOne(key int32) {
	for _, ls := range l.listeners {
		ls.mu.Lock()
		if ls.key == key && ls.fd >= 0 && !l.Alone() && !l.draining.Load() {
			ls.takeOwed(1)
		}
		ls.mu.Unlock()
	}
}
