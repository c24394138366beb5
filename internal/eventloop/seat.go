// The seat: one wake-up per connection for Go workers that share a listener.

//go:build linux

package eventloop

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// seat is a worker's place in the queue of those whom a new connection may wake.
//
// Go's netpoller registers a descriptor so that every connection wakes every
// process that shares the listener. The registration is replaced by an exclusive
// one with the same data word, found in /proc, so that the kernel wakes one worker
// that waits. A worker inside the application does not wait, and so swallows no
// wake-up. Where /proc is missing or looks different the seat is empty and the
// netpoller's own registration stays.
type seat struct {
	ep, fd  int
	data    uint64
	settled bool
}

// findSeat looks for fd in the epoll descriptors of the process.
func findSeat(fd int) seat {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return seat{}
	}
	for _, e := range entries {
		if link, _ := os.Readlink("/proc/self/fd/" + e.Name()); link != "anon_inode:[eventpoll]" {
			continue
		}
		if data, ok := watched("/proc/self/fdinfo/"+e.Name(), fd); ok {
			ep, err := strconv.Atoi(e.Name())
			if err != nil {
				return seat{}
			}
			return seat{ep: ep, fd: fd, data: data, settled: true}
		}
	}
	return seat{}
}

// watched finds the data word of fd in "tfd: 5 events: 2019 data: 7f...".
func watched(path string, fd int) (data uint64, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) < 6 || w[0] != "tfd:" || w[1] != strconv.Itoa(fd) || w[4] != "data:" {
			continue
		}
		data, err = strconv.ParseUint(w[5], 16, 64)
		return data, err == nil
	}
	return 0, false
}

// leave gives the seat up until take: connections wake others.
func (s *seat) leave() {
	if s.settled && epollCtl(s.ep, unix.EPOLL_CTL_DEL, s.fd, &unix.EpollEvent{}) == 0 {
		s.settled = false
	}
}

// take takes the seat, at the end of the queue. A connection that waits already is
// reported at once.
func (s *seat) take() {
	if s.ep == 0 {
		return
	}
	s.leave()
	ev := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLEXCLUSIVE | unix.EPOLLET,
		Fd:     int32(uint32(s.data)),
		Pad:    int32(uint32(s.data >> 32)),
	}
	s.settled = epollCtl(s.ep, unix.EPOLL_CTL_ADD, s.fd, &ev) == 0
}
