// Waiting for the front: parking a goroutine, or blocking a foreign thread.

//go:build linux

package eventloop

import (
	"time"

	"golang.org/x/sys/unix"
)

// readWait is how long a reader may wait, 0 for no bound. The sweep sees to a
// front that takes nothing.
func (x *Exchange) readWait() time.Duration {
	return sooner(time.Duration(x.conn.loop.config.Settings.ReadTimeout), x.readDeadline)
}

func sooner(d time.Duration, deadline time.Time) time.Duration {
	if deadline.IsZero() {
		return d
	}
	left := max(time.Until(deadline), 1)
	if d > 0 {
		left = min(left, d)
	}
	return left
}

// park releases the connection, waits for a wake-up at most d, and takes the
// connection again. It reports false when the time was over.
func (x *Exchange) park(ch *chan struct{}, d time.Duration) bool {
	c := x.conn
	c.register()
	if c.closed {
		return true
	}
	x.pause()
	if *ch == nil {
		*ch = make(chan struct{}, 1)
	}
	wake, fd := *ch, c.fd
	foreign := c.loop.config.Serve == nil
	out := c.pending() > 0
	c.unlock()
	ok := true
	switch {
	case foreign:
		ok = pollFD(fd, out, d)
	case d == 0:
		<-wake
	default:
		timer := time.NewTimer(d)
		select {
		case <-wake:
		case <-timer.C:
			ok = false
		}
		timer.Stop()
	}
	c.mu.Lock()
	x.resume()
	if foreign {
		c.readable = true
	}
	return ok
}

// pollFD blocks the thread until the socket has bytes, or takes some.
func pollFD(fd int, out bool, d time.Duration) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
	if out {
		p[0].Events = unix.POLLOUT
	}
	// A slice of time is enough: the caller looks again, also at what happened to
	// the request meanwhile.
	wait := 100 * time.Millisecond
	if d > 0 && d < wait {
		wait = d
	}
	n, err := unix.Poll(p, int(wait/time.Millisecond))
	return n > 0 || err != nil || wait < d || d == 0
}

func (x *Exchange) wakeReader() { wake(x.reader) }
func (x *Exchange) wakeWriter() { wake(x.writer) }

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
