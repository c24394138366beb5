// Adopting connections that other workers have handed on.

//go:build linux

package eventloop

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// Adopt takes over an idle kept connection that another worker detached. fd
// belongs to the loop from then on, also when an error is returned. busy says that
// no worker is free for the request that is arriving on it: it rests for a moment,
// then it is served here, or offered again if all threads are still busy.
func (l *Loop) Adopt(fd, listener int, p cgi.Protocol, busy bool) error {
	if busy {
		l.rest(fd, listener, p)
		return nil
	}
	return l.adopt(fd, listener, p, false)
}

// adopt is Adopt at once. With read a thread is there to serve what has
// arrived.
func (l *Loop) adopt(fd, listener int, p cgi.Protocol, read bool) error {
	l.life.Lock()
	closed := l.closed
	l.life.Unlock()
	if closed {
		closeFD(fd)
		return ErrClosed
	}
	if listener < 0 || listener >= len(l.listeners) {
		closeFD(fd)
		return fmt.Errorf("eventloop: adopt: no listener %d", listener)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		closeFD(fd)
		return fmt.Errorf("eventloop: adopt: %w", err)
	}
	l.board.Add(handoff.Adopted, 1)
	ls := l.listeners[listener]
	if p == cgi.Auto {
		p = ls.Protocol
	}
	c := l.admit(ls, fd)
	defer c.unlock()
	c.address()
	c.begin(p)
	c.kept = true
	if read {
		c.pull()
		c.wait()
	} else {
		c.register()
	}
	if l.draining.Load() {
		c.leave() // the order to drain overtook it
	}
	return nil
}
