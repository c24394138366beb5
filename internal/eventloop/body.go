// The store of a request's body: what arrived and was not read yet, first in
// memory, beyond a limit in an unlinked file.

//go:build linux

package eventloop

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	window    = 64 << 10 // bytes of a body read ahead of the application
	wholeBody = 1 << 20  // bytes of a body kept in memory under Config.WholeBody
)

// store is a queue of bytes, in memory or, once it was longer, in a file. The zero
// value is empty.
type store struct {
	mem    []byte // mem[off:] waits
	off    int
	memory Memory // where mem is from; nil: Go's
	expect int64  // how long the body is to be, less than 0 if only its end will tell
	file   *os.File
	r, w   int64 // positions in file
}

// size is how many bytes wait.
func (s *store) size() int64 { return int64(len(s.mem)-s.off) + s.w - s.r }

// keep appends p: up to limit bytes stay in memory, more go to a file in dir as a
// whole.
func (s *store) keep(p []byte, limit int, dir string) error {
	if s.file == nil && len(s.mem)-s.off+len(p) <= limit {
		if s.off > 0 && len(s.mem)+len(p) > cap(s.mem) {
			s.mem = s.mem[:copy(s.mem, s.mem[s.off:])]
			s.off = 0
		}
		if s.memory != nil && len(s.mem)+len(p) > cap(s.mem) {
			if err := s.grow(len(p), limit); err != nil {
				return err
			}
		}
		s.mem = append(s.mem, p...)
		return nil
	}
	if s.file == nil {
		f, err := openSpool(dir)
		if err != nil {
			return err
		}
		s.file = f
		if err := s.spill(s.mem[s.off:]); err != nil {
			return err
		}
		s.drop()
	}
	return s.spill(p)
}

// first is how much memory a body gets at first that says it is longer: what a
// peer only announces is not worth more.
const first = 128 << 10

// grow makes room for n more bytes in memory of the program's.
func (s *store) grow(n, limit int) error {
	need := len(s.mem) + n
	size := min(max(4*need, first), limit)
	if s.expect >= int64(need) {
		size = int(min(int64(size), s.expect))
	}
	mem := s.memory(s.mem, size)
	if cap(mem) < need {
		return unix.ENOMEM
	}
	s.mem = mem
	return nil
}

// drop gives the memory back.
func (s *store) drop() {
	if s.memory != nil && s.mem != nil {
		s.memory(s.mem, 0)
	}
	s.mem, s.off = nil, 0
}

// give hands the memory over to the program.
func (s *store) give() (mem []byte) {
	mem = s.mem[s.off:]
	if s.memory != nil {
		s.mem, s.off = nil, 0
	}
	return mem
}

func (s *store) spill(p []byte) error {
	n, err := s.file.WriteAt(p, s.w)
	s.w += int64(n)
	return err
}

// read takes bytes out. It returns 0 only when there are none.
func (s *store) read(p []byte) (int, error) {
	if s.off < len(s.mem) {
		n := copy(p, s.mem[s.off:])
		s.off += n
		if s.off == len(s.mem) {
			s.mem, s.off = s.mem[:0], 0
		}
		return n, nil
	}
	if s.r == s.w {
		return 0, nil
	}
	if left := s.w - s.r; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := s.file.ReadAt(p, s.r)
	s.r += int64(n)
	if n > 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	if s.r == s.w {
		s.r, s.w = 0, 0
		err = errors.Join(err, s.file.Truncate(0))
	}
	return n, err
}

// free gives everything back.
func (s *store) free() {
	if s.file != nil {
		s.file.Close()
	}
	s.drop()
	*s = store{memory: s.memory}
}

// openSpool makes a file in dir that has no name, so that nothing is left behind
// whatever becomes of the process.
func openSpool(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir+"/appd-body"), nil
	}
	f, err := os.CreateTemp(dir, "appd-body-*")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
