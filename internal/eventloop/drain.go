// Leaving: how a worker ends without losing a request.

//go:build linux

package eventloop

import (
	"context"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// DrainOptions say how connections leave.
type DrainOptions struct {
	// Queue serves what waits in the accept queues before they are left.
	Queue bool
	// Pass offers idle kept connections to Config.PassIdle. Without it they get one
	// more answer that closes them, or are closed after a second of silence.
	Pass bool
	// Left, if not nil, is called when the loop has closed its listeners.
	Left func()
}

// Drain stops accepting, ends kept connections, and waits until nothing is in
// flight or ctx ends. It may be called again with a shorter ctx.
func (l *Loop) Drain(ctx context.Context, o DrainOptions) error {
	l.StandAside()
	if l.beginDrain(o) {
		l.rested()
		if o.Queue {
			l.emptyQueues()
		} else {
			l.takeOwed()
		}
		for _, ls := range l.listeners {
			ls.close() // if nobody else has them, fronts are to hear so at once
		}
		if o.Left != nil {
			o.Left()
		}
		for _, c := range l.conns.all(nil) {
			c.mu.Lock()
			c.drain()
			c.unlock()
		}
		l.left()
	}
	select {
	case <-l.drained:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// beginDrain reports whether this is the first drain.
func (l *Loop) beginDrain(o DrainOptions) bool {
	l.life.Lock()
	defer l.life.Unlock()
	if l.draining.Load() {
		return false
	}
	l.drainAt = handoff.Now()
	l.passing.Store(o.Pass && l.config.PassIdle != nil)
	l.leaving.Add(1)
	l.draining.Store(true)
	return true
}

// turnTaking is how long a worker with few threads waits between two connections
// of the queue that it empties, so that the others that leave with it take theirs.
const turnTaking = time.Millisecond

// turns bounds that: a queue longer than this is taken without waiting.
const turns = 256

// emptyQueues accepts everything that waits. It is read when epoll reports it,
// because only events wake foreign threads. A loop of foreign threads serves as
// many requests at a time as it has threads, so it must not take the whole queue
// while its neighbours have nothing to do.
func (l *Loop) emptyQueues() {
	for _, ls := range l.listeners {
		for taken := 0; ls.takeWaiting(); taken++ {
			if l.config.Serve == nil && taken < turns {
				time.Sleep(turnTaking)
			}
		}
	}
}

// takeWaiting accepts one connection and reports whether there may be more.
func (ls *listener) takeWaiting() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.letIn(nil)
}

// drain tells a connection that the worker leaves.
func (c *conn) drain() {
	if c.closed {
		return
	}
	c.prepare()
	c.each(func(x *Exchange) {
		if x.apart {
			x.abort(cgi.ErrDraining)
		}
	})
	if c.idle() {
		c.idleAt = c.loop.drainAt
		c.leave()
	}
}

// prepare has the codec lead to the end of the connection, or to a moment at which it
// is idle and can be passed on.
func (c *conn) prepare() {
	if c.codec == nil {
		return
	}
	if !c.movable() {
		c.codec.Drain()
	}
	if k := c.fastcgi(); k != nil {
		k.Unshare()
	}
}

// moreToCome says that a connection which nobody adopts goes on after an answer
// although the worker leaves: its front puts requests beside others, and may be about
// to. It has as long for that as a front that says nothing, or what it has sent by then.
func (c *conn) moreToCome() bool {
	l := c.loop
	k := c.fastcgi()
	return k != nil && c.shared && l.draining.Load() && !k.Ending() &&
		(l.now()-l.drainAt < int64(lastChance) || c.readable || c.in < len(c.held))
}

// owed says that the front still sends of requests that were answered, and nothing else.
func (c *conn) owed() bool {
	k := c.fastcgi()
	return k != nil && k.Owed()
}

// leave passes an idle connection on, and reports whether it is gone. A request
// that is just arriving moves with it, unread.
func (c *conn) leave() bool {
	if c.closed || !c.movable() || !c.idle() {
		return false
	}
	c.loop.leaving.Add(1)
	c.turn.pass, c.turn.any = true, true
	c.detach()
	return true
}

// pass offers the descriptor of a detached connection to another worker.
func (l *Loop) pass(c *conn) {
	if !l.config.PassIdle(c.fd, c.lis.index, c.proto) {
		closeFD(c.fd)
	}
	l.left()
}

// left says that something a drain had yet to do is done.
func (l *Loop) left() {
	if l.leaving.Add(-1) == 0 {
		l.checkDrained()
	}
}

// movable reports whether the connection may go to another worker when it is idle.
func (c *conn) movable() bool { return c.loop.passing.Load() && !c.proxied() }

// proxied says that the connection began with a PROXY preamble. It stays where it
// is: the codec of another worker would wait for another preamble, and would not
// know the client.
func (c *conn) proxied() bool { return c.proto == cgi.HTTP && c.lis.codecs.http.Proxy }

// Cancel gives up every request in flight with cgi.ErrDraining. Handlers that obey
// can still answer.
func (l *Loop) Cancel() {
	for _, c := range l.conns.all(nil) {
		c.mu.Lock()
		c.each(func(x *Exchange) { x.abort(cgi.ErrDraining) })
		c.unlock()
	}
}

// leaveFlight counts an exchange that has ended.
func (l *Loop) leaveFlight() {
	if l.inFlight.Add(-1) == 0 && l.draining.Load() {
		l.checkDrained()
	}
}

// mayReturn says, once, that connections which were offered to other workers may come
// back.
func (l *Loop) mayReturn() bool {
	select {
	case <-l.stop:
		return false
	default:
		return l.config.Fence != nil && l.offered.Load() && l.fenced.CompareAndSwap(false, true)
	}
}

// awaitFence waits until what was offered to other workers has arrived somewhere, or the
// supervisor does not answer.
func (l *Loop) awaitFence() {
	defer l.left()
	timer := time.NewTimer(lastChance)
	defer timer.Stop()
	select {
	case <-l.config.Fence():
	case <-timer.C:
	case <-l.stop:
	}
}

// checkDrained sees whether a drain has finished.
func (l *Loop) checkDrained() {
	// In this order: what is counted later can only come from what is counted before.
	if !l.draining.Load() || l.conns.size() > 0 || l.leaving.Load() > 0 || l.inFlight.Load() > 0 {
		return
	}
	if l.mayReturn() {
		l.leaving.Add(1)
		go l.awaitFence() // ends with the loop at the latest
		return
	}
	l.ending.Do(func() {
		close(l.drained)
	})
}
