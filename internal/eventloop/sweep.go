// The sweep: timeouts, found by looking at every connection now and then.

//go:build linux

package eventloop

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

const (
	slowest     = 500 * time.Millisecond // between two sweeps
	fastest     = 10 * time.Millisecond
	lingerQuiet = 5 * time.Second // of silence while the rest of a request is drained
	lingerLimit = 2 * time.Minute // altogether
	lastChance  = time.Second     // of an idle connection that nobody adopts, in a drain
)

var (
	errSlowRead  = errors.New("the front was silent for longer than read_timeout")
	errSlowWrite = errors.New("the front took nothing for longer than write_timeout")
)

// interval is how often to look, so that the shortest limit is kept by an eighth.
func (l *Loop) interval() time.Duration {
	d := slowest
	s := &l.config.Settings
	for _, limit := range []handoff.Duration{s.Timeout, s.ReadTimeout, s.WriteTimeout, s.KeepAlive, s.SlowRequest} {
		if limit > 0 {
			d = min(d, time.Duration(limit)/8)
		}
	}
	return max(d, fastest)
}

// hurry has the sweep look often enough for a request's own timeout.
func (l *Loop) hurry(d time.Duration) {
	select {
	case l.faster <- max(d/8, fastest):
	default:
	}
}

// sweeper looks at every connection until the loop is closed. It also shows that
// the worker is alive.
func (l *Loop) sweeper() {
	defer l.wait.Done()
	every := l.interval()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var conns []*conn
	var dropped dropped
	for {
		select {
		case <-l.stop:
			return
		case d := <-l.faster:
			if d < every {
				every = d
				ticker.Reset(every)
			}
		case <-l.room:
			l.reattach()
		case <-ticker.C:
			now := handoff.Now()
			l.clock.Store(now)
			l.board.Beat(now)
			dropped = l.tickAccess(now, dropped)
			conns = l.conns.all(conns[:0])
			idle := 0
			for _, c := range conns {
				if c.sweep(now) {
					idle++
				}
			}
			clear(conns)
			l.slow.report(now)
			l.board.Set(handoff.Idle, idle)
			l.width.tick(now)
			l.crew.trim()
			l.reattach()
		}
	}
}

// reattach lets foreign threads accept again after the limit of connections, or a
// lack of descriptors, had stopped them.
func (l *Loop) reattach() {
	l.life.Lock()
	defer l.life.Unlock()
	if l.config.Serve != nil || l.off || l.draining.Load() || l.closed {
		return
	}
	for _, ls := range l.listeners {
		ls.mu.Lock()
		if !ls.attached && ls.fd >= 0 && !ls.closed() {
			ls.put(unix.EPOLL_CTL_ADD)
		}
		ls.mu.Unlock()
	}
}

// sweep ends what has waited too long, and says whether the connection is idle.
func (c *conn) sweep(now int64) (idle bool) {
	c.mu.Lock()
	defer c.unlock()
	s := &c.loop.config.Settings
	over := func(limit handoff.Duration, since int64) bool {
		return limit > 0 && now-since > int64(limit)
	}
	switch idle = c.idle(); {
	case c.closed:
	case c.lingering:
		if now-c.inAt > int64(lingerQuiet) || now-c.idleAt > int64(lingerLimit) {
			c.close()
		}
	case c.pending() > 0 && over(s.WriteTimeout, c.outAt):
		c.note(errSlowWrite.Error())
		c.lose(errSlowWrite)
	case c.active > 0:
		c.each(func(x *Exchange) { x.sweep(now) })
	case idle:
		last, limit := max(c.idleAt, c.inAt), s.KeepAlive
		if !c.kept { // fronts connect first and send then: nobody may wait for them less than for a head
			limit = s.ReadTimeout
		}
		if c.loop.draining.Load() {
			if !c.leave() && now-max(last, c.loop.drainAt) > int64(lastChance) {
				c.expire()
			}
		} else if over(limit, last) {
			c.expire()
		}
	case c.loop.draining.Load() && c.owed():
		if now-max(c.inAt, c.loop.drainAt) > int64(lastChance) {
			c.closing = true
			c.settle()
		}
	case over(s.ReadTimeout, c.idleAt):
		c.note(errSlowRead.Error())
		c.lose(errSlowRead)
	}
	return idle
}

// expire closes an idle connection, unless the front has just sent something on it:
// its event is under way, however busy this worker is.
func (c *conn) expire() {
	if !readable(c.fd) {
		c.close()
	}
}

// sweep cancels an exchange that took longer than its timeout. The application may
// still answer; what happens if it does not is the supervisor's business.
func (x *Exchange) sweep(now int64) {
	c := x.conn
	if !x.handed {
		if limit := c.loop.config.Settings.ReadTimeout; limit > 0 && now-c.inAt > int64(limit) {
			c.note(errSlowRead.Error())
			c.lose(errSlowRead)
		}
		return
	}
	c.loop.slow.running(x, now)
	if x.limit > 0 && x.used(now) > x.limit && x.cause.Load() == nil {
		c.loop.board.Add(handoff.TimedOut, 1)
		x.abort(cgi.ErrTimeout)
	}
}
