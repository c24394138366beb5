// Keys of the terminal in development: r reloads, q stops.

package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/appd-server/appd/internal/watch"
)

// keyPoll is how often the keyboard's owner is looked at. Reading while somebody
// else is in the foreground would raise SIGTTIN, which asks for one more worker.
const keyPoll = 250 * time.Millisecond

// keys reads the terminal while there is something watched, until ctx ends. When the
// terminal closes, development stops.
func (s *service) keys(ctx context.Context, d *developer) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return
	}
	var k keyboard
	defer k.restore()
	for ctx.Err() == nil {
		if d.watched.Load() == nil {
			k.restore()
			k = keyboard{}
			select {
			case <-ctx.Done():
			case <-time.After(keyPoll):
			}
			continue
		}
		if !foreground(in) {
			k = keyboard{} // the shell sets its own modes
			if hungUp(in, keyPoll) {
				s.super.Stop(ctx, true)
				return
			}
			continue
		}
		k.prepare(in)
		switch key, gone := readKey(in); {
		case gone:
			s.super.Stop(ctx, true)
			return
		case key == 'r':
			d.change(ctx, watch.Change{})
		case key == 'q':
			s.super.Stop(ctx, false)
		}
	}
}

// foreground says whether our process group owns the terminal.
func foreground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// hungUp waits for the terminal to close, at most so long, without reading.
func hungUp(fd int, wait time.Duration) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	unix.Poll(p, int(wait.Milliseconds()))
	return p[0].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0
}

// readKey waits a moment for a key; 0 is none.
func readKey(fd int) (key byte, gone bool) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, _ := unix.Poll(p, int(keyPoll.Milliseconds())); n <= 0 {
		return 0, false
	}
	if p[0].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0 {
		return 0, true
	}
	if !foreground(fd) {
		return 0, false
	}
	var b [1]byte
	n, err := unix.Read(fd, b[:])
	return b[0], n == 0 && err == nil
}

// keyboard is a terminal that gives single keys; signals of Ctrl-C stay.
type keyboard struct {
	fd    int
	saved *unix.Termios
}

// prepare switches line editing and echo off, once.
func (k *keyboard) prepare(fd int) {
	if k.saved != nil {
		return
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return
	}
	saved := *t
	k.fd, k.saved = fd, &saved
	t.Lflag &^= unix.ICANON | unix.ECHO
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// restore gives the terminal back as it was, if it is still ours.
func (k *keyboard) restore() {
	if k.saved != nil && foreground(k.fd) {
		unix.IoctlSetTermios(k.fd, unix.TCSETS, k.saved)
	}
}
