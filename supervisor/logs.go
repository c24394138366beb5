// Log files: opened here, so that workers need no right to; reopened on request.

package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// logs are the files that the workers of one generation write. Launchers take
// duplicates while the loop reopens.
type logs struct {
	mu     sync.Mutex
	access *logFile
	errors *logFile
	over   bool // closed for good
}

// logFile is an open log; nil is none.
type logFile struct {
	path string
	fd   int
}

func openLog(path string, std int) (*logFile, error) {
	if path == "" {
		return nil, nil
	}
	f := &logFile{path: path, fd: -1}
	var err error
	if path == "-" {
		f.fd, err = unix.FcntlInt(uintptr(std), unix.F_DUPFD_CLOEXEC, 3)
	} else {
		// What workers share must block: they write whole lines or none.
		if f.fd, err = OpenLog(path); err == nil {
			err = unix.SetNonblock(f.fd, false)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", path, err)
	}
	return f, nil
}

// OpenLog opens a log for appending, non-blocking. It does not wait for a reader if that
// is a named pipe: one that nobody reads is an error.
func OpenLog(path string) (fd int, err error) {
	fd, err = unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0o640)
	if err == unix.ENXIO {
		return -1, errors.New("nobody reads this pipe")
	}
	return fd, err
}

func (f *logFile) close() {
	if f != nil {
		unix.Close(f.fd)
	}
}

// openLogs opens what cfg names.
func openLogs(cfg *Config) (*logs, error) {
	l := &logs{}
	return l, l.configure(cfg) // with no files in it after an error
}

// configure opens the logs of cfg in place of what was open; after an error the old
// ones stay.
func (l *logs) configure(cfg *Config) error {
	access, err := openLog(cfg.AccessLog, 1)
	if err != nil {
		return err
	}
	failures, err := openLog(cfg.ErrorLog, 2)
	if err != nil {
		access.close()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		access.close()
		failures.close()
		return nil
	}
	l.access.close()
	l.errors.close()
	l.access, l.errors = access, failures
	return nil
}

// descriptors returns duplicates for a worker, -1 where there is no log.
func (l *logs) descriptors() (access, failures int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.access.duplicate(), l.errors.duplicate()
}

func (f *logFile) duplicate() int {
	if f == nil {
		return -1
	}
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1
	}
	return fd
}

// write appends a line to the access log in one piece, and says whether it could. It
// is called by the loop, which must not wait for a pipe that nobody reads: one that
// has room takes a page at least, and a line is shorter.
func (l *logs) write(line []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.access == nil {
		return true
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(l.access.fd), Events: unix.POLLOUT}}, 0); n == 0 || err != nil {
		return false
	}
	_, err := unix.Write(l.access.fd, line)
	return err == nil
}

func (l *logs) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.access.close()
	l.errors.close()
	l.access, l.errors, l.over = nil, nil, true
}

// reopen opens all logs again, beside the loop because a file system may take its time,
// and gives the workers the new ones.
func (s *Supervisor) reopen(answer chan<- error) {
	s.reopens++
	own, generations := s.cfg.ReopenLog, slices.Clone(s.generations)
	s.task(func() {
		s.reopening.Lock()
		defer s.reopening.Unlock()
		var errs []error
		if own != nil {
			errs = append(errs, own())
		}
		for _, g := range generations {
			errs = append(errs, g.logs.configure(g.cfg))
		}
		err := errors.Join(errs...)
		s.post(message{do: func() {
			for _, g := range generations {
				s.shareLogs(g)
			}
			if err != nil {
				s.log.Error("log cannot be opened again, the old one is kept", "error", err)
			} else {
				s.log.Info("logs reopened")
			}
			answerTo(answer, err)
		}})
	})
}

// shareLogs sends the open logs of a generation to its workers: access log, then
// error log, where there are such.
func (s *Supervisor) shareLogs(g *generation) {
	access, failures := g.logs.descriptors()
	var fds []int
	for _, fd := range []int{access, failures} {
		if fd >= 0 {
			fds = append(fds, fd)
		}
	}
	defer handoff.CloseFDs(fds)
	if len(fds) == 0 {
		return
	}
	for _, w := range s.workers {
		if w.gen == g && w.proc != nil && g.cfg.App.Kind.contract() {
			w.proc.Send(handoff.Message{Kind: handoff.Reopen}, fds...)
		}
	}
}
