// Accepting: one connection, and the goroutine that accepts for Go workers.

//go:build linux

package eventloop

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// take accepts one connection, reads what it sent already, and hands out what is
// complete. The connection is not in epoll yet: one that is answered at once never
// will be. It returns nil and the reason when there is none.
func (ls *listener) take() (*conn, syscall.Errno) {
	c, e := ls.enter(nil)
	if c != nil {
		c.mu.Lock()
		c.pull()
		c.unlock()
	}
	return c, e
}

// enter accepts one connection and leaves what it sent unread. The refusal, if any, is
// what its requests get for an answer.
func (ls *listener) enter(r *refusal) (*conn, syscall.Errno) {
	l := ls.loop
	fd, e := accept(ls.fd)
	if e != 0 {
		return nil, e
	}
	l.board.Add(handoff.Accepted, 1)
	c := l.admit(ls, fd)
	ls.gate.entered(c)
	defer c.unlock()
	if !c.welcome() {
		c.close()
		return nil, syscall.ECONNABORTED
	}
	c.begin(ls.Protocol)
	c.refuse = r
	return c, 0
}

// letIn accepts one connection, as enter does, and puts it into epoll. It reports
// whether another may wait.
func (ls *listener) letIn(r *refusal) bool {
	c, e := ls.enter(r)
	if c != nil {
		c.settleIn()
		return true
	}
	return e == syscall.EINTR || e == syscall.ECONNABORTED
}

// settleIn puts a connection that is still open into epoll.
func (c *conn) settleIn() {
	c.mu.Lock()
	if c.active == 0 && !c.readable && !c.closed && !c.registered && c.in == len(c.held) {
		c.readable = true // the front connected first and has written since
		c.pull()
	}
	c.register()
	c.unlock()
}

// poll puts a duplicate of the listener into Go's netpoller.
func (ls *listener) poll() error {
	fd, err := unix.FcntlInt(uintptr(ls.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	ls.file = os.NewFile(uintptr(fd), ls.Address)
	if ls.raw, err = ls.file.SyscallConn(); err != nil {
		return err
	}
	ls.seat = findSeat(fd)
	ls.seat.take()
	return nil
}

// acceptor accepts for a Go worker until the loop is closed.
func (l *Loop) acceptor(ls *listener) {
	defer l.wait.Done()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for {
		var pause time.Duration
		woken := false
		err := ls.raw.Read(func(uintptr) bool {
			if woken {
				l.board.Add(handoff.WokenUp, 1)
			}
			pause = ls.acceptSome(woken)
			woken = true
			return pause > 0
		})
		if err == nil && !ls.paused.Load() {
			ls.stepAside(pause)
			continue
		}
		ls.takeOwed(owed)
		if !ls.rest() {
			return
		}
	}
}

// rest has the acceptor wait until it may accept again; false means never.
func (ls *listener) rest() bool {
	l := ls.loop
	ls.mu.Unlock()
	defer ls.mu.Lock()
	for {
		select {
		case <-ls.on:
		case <-l.stop:
			return false
		}
		l.life.Lock()
		again := !l.closed && !l.off // it may have been a word from before
		var err error
		if again {
			err = ls.poll()
		}
		l.life.Unlock()
		if err != nil {
			l.logf("%s: cannot accept any more: %v", ls.Address, err)
			return false
		}
		if again {
			return true
		}
	}
}

// rested waits until everybody is done with what they were accepting when it was
// turned off.
func (l *Loop) rested() {
	for _, ls := range l.listeners {
		func() { // only to wait
			ls.mu.Lock()
			defer ls.mu.Unlock()
		}()
	}
}

// acceptSome accepts until nothing waits (0) or the worker has to step aside. A full
// worker that was woken for a connection, as no other was, takes that one all the same.
func (ls *listener) acceptSome(woken bool) (pause time.Duration) {
	for {
		mustTake := woken && !ls.loop.Alone()
		if ls.loop.full() && !mustTake {
			return fullPause
		}
		c, e := ls.take()
		switch e {
		case 0:
			woken = false
		case syscall.EAGAIN:
			ls.gate.empty()
			return 0
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		default:
			return ls.gate.broken(ls, e)
		}
		ls.gate.mended()
		runtime.Gosched() // short requests are answered here, and their connections closed
		c.settleIn()
		if d := ls.gate.accepted(ls.loop); d > 0 {
			return d
		}
	}
}

// stepAside leaves the listener to other workers for a while, and as long as there is
// no room. The seat is touched under Control, which keeps the descriptor from being
// closed, and its number from being used again, meanwhile.
func (ls *listener) stepAside(d time.Duration) {
	ls.raw.Control(func(uintptr) { ls.seat.leave() })
	if ls.loop.full() && !ls.loop.Alone() {
		ls.takeOwed(1) // a thread of Go's may have been woken meanwhile
	}
	for ls.pauseFor(d) && ls.closed() {
		d = fullPause
	}
	ls.raw.Control(func(uintptr) { ls.seat.take() })
}

// pauseFor waits, in a full worker not longer than until there is room. It says
// whether the listener is still to be accepted from.
func (ls *listener) pauseFor(d time.Duration) bool {
	room := ls.room
	if !ls.loop.full() {
		room = nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-room:
	case <-ls.loop.stop:
		return false
	}
	return !ls.paused.Load()
}
