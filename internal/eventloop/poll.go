// Polling: the goroutine that waits for the events of Go workers.

//go:build linux

package eventloop

import (
	"os"

	"golang.org/x/sys/unix"
)

// watchEpoll puts the loop's epoll descriptor into Go's netpoller and starts the
// goroutine that waits there.
func (l *Loop) watchEpoll() error {
	if err := unix.SetNonblock(l.ep, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	l.file = os.NewFile(uintptr(l.ep), "epoll")
	raw, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	l.wait.Go(func() {
		var events [64]unix.EpollEvent
		raw.Read(func(uintptr) bool {
			for {
				n := epollPoll(l.ep, events[:])
				if n > 0 {
					l.width.found()
				}
				for i := range n {
					l.dispatch(&events[i])
				}
				if n < len(events) {
					return false // the next event is a new edge for the netpoller
				}
			}
		})
	})
	return nil
}

func (l *Loop) dispatch(ev *unix.EpollEvent) {
	if c := l.conns.find(ev); c != nil {
		c.event(ev.Events)
	}
}
