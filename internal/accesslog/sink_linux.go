// The descriptor: whole lines, one write, no waiting.

package accesslog

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// sink writes whole lines to a descriptor that other processes write to as well.
type sink struct {
	fd int

	// piece bounds one write. A file takes any; into a pipe only PIPE_BUF bytes go
	// in one piece, and terminals and sockets get no more either.
	piece int
	file  bool

	torn bool // half of a line was written, and the rest is lost
}

const (
	pipeBuf = 4096
	noBound = 1 << 30
)

func newSink(fd int) sink {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		return sink{fd: fd, piece: noBound, file: true}
	}
	return sink{fd: fd, piece: pipeBuf}
}

func (s *sink) close() { unix.Close(s.fd) }

// write writes lines and returns those that are left: because the descriptor would
// make us wait, or for good, when lost is set.
func (s *sink) write(lines []byte) (rest []byte, lost bool) {
	if s.torn && len(lines) > 0 {
		if _, err := s.put([]byte{'\n'}); err != nil {
			return lines, !errors.Is(err, unix.EAGAIN)
		}
		s.torn = false
	}
	half := false
	for len(lines) > 0 {
		n, err := s.put(lines[:whole(lines, s.piece)])
		if n > 0 {
			half = lines[n-1] != '\n'
			lines = lines[n:]
		}
		switch {
		case err == nil, errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return lines, false
		default:
			s.torn = half
			return lines, true
		}
	}
	return nil, false
}

// whole is the length of as many whole lines as fit into bound, of one at least.
func whole(lines []byte, bound int) int {
	if len(lines) <= bound {
		return len(lines)
	}
	if i := bytes.LastIndexByte(lines[:bound], '\n'); i >= 0 {
		return i + 1
	}
	return bytes.IndexByte(lines, '\n') + 1
}

// put makes one write. A pipe takes a flag to fail instead of waiting; for what does
// not, poll says whether there is room.
func (s *sink) put(p []byte) (int, error) {
	if s.file {
		return unix.Write(s.fd, p)
	}
	n, err := unix.Pwritev2(s.fd, [][]byte{p}, -1, unix.RWF_NOWAIT)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.ESPIPE) {
		return n, err
	}
	ready, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, 0)
	if err != nil {
		return 0, err
	}
	if ready == 0 {
		return 0, unix.EAGAIN
	}
	return unix.Write(s.fd, p)
}
