// Accepting for foreign threads: the listener is in the loop's own epoll.

//go:build linux

package eventloop

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// acceptOne accepts one connection for a thread that was woken by the listener. If
// it stays open without being handed out it waits in epoll.
func (ls *listener) acceptOne() {
	l := ls.loop
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.board.Add(handoff.WokenUp, 1)
	if ls.fd < 0 {
		return
	}
	if l.draining.Load() { // a wake-up that nobody else gets, unless it comes too late
		l.leaving.Add(1)
		defer l.left()
		select {
		case <-l.drained:
			return
		default:
		}
	}
	if l.full() {
		ls.put(unix.EPOLL_CTL_DEL) // the sweep looks again
		if l.Alone() {
			return
		}
	}
	c, e := ls.take()
	switch e {
	case 0:
		ls.gate.mended()
		if d := ls.gate.accepted(l); d > 0 {
			ls.put(unix.EPOLL_CTL_DEL)
			time.AfterFunc(d, ls.comeBack)
		}
		c.mu.Lock()
		if c.active == 0 && !c.closed && c.in == len(c.held) {
			l.fresh.add(c)
		} else {
			c.wait()
		}
		c.unlock()
		if l.full() && ls.attached {
			ls.put(unix.EPOLL_CTL_DEL) // the next one is to wake another worker
			if !l.Alone() && l.config.Settings.Threads > 1 {
				ls.takeOwed(1)
			}
		}
	case syscall.EAGAIN, syscall.EINTR, syscall.ECONNABORTED:
	default:
		ls.gate.broken(ls, e)
		ls.put(unix.EPOLL_CTL_DEL)
	}
}

// comeBack accepts again after the worker has stood aside; see gate.
func (ls *listener) comeBack() {
	l := ls.loop
	l.life.Lock()
	defer l.life.Unlock()
	if l.off || l.draining.Load() || l.closed {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !readable(ls.fd) {
		ls.gate.empty()
	}
	if !l.full() { // else the sweep does it
		ls.put(unix.EPOLL_CTL_ADD)
	}
}

// attach and detach put the listener into the loop's epoll and take it out. In a full
// worker the sweep does the first, when there is room.
func (ls *listener) attach() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !ls.loop.full() {
		ls.put(unix.EPOLL_CTL_ADD)
	}
}

func (ls *listener) detach() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.put(unix.EPOLL_CTL_DEL)
}

// put adds the listener level-triggered and exclusive: one thread of one process
// is woken for a connection.
func (ls *listener) put(op int) {
	if ls.attached == (op == unix.EPOLL_CTL_ADD) {
		return
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLEXCLUSIVE, Fd: ls.key, Pad: listenerPad}
	if e := epollCtl(ls.loop.ep, op, ls.fd, &ev); e != 0 {
		ls.loop.logf("%s: epoll: %v", ls.Address, e)
	}
	ls.attached = op == unix.EPOLL_CTL_ADD
}
