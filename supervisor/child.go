// A real process: its streams, its signals, its scoreboard.

package supervisor

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// child is a worker process. Its goroutines, one that reads each stream, one that
// reads and one that writes the control socket, end with it.
type child struct {
	kind       Kind
	log        *journal
	oom        *oomCounter
	readyAfter time.Duration

	pid     int
	pidfd   *os.File
	control *handoff.Conn
	board   *handoff.View
	notify  *notifySocket
	keeper  *keeper  // that knows about it, nil otherwise
	out     *os.File // our ends of its streams, nil when they are passed through
	err     *os.File
	tail    tail
	packets chan packet

	attended chan struct{} // closed when somebody listens to it
	ended    chan struct{} // closed when it has ended

	mu      sync.Mutex
	over    bool           // guarded by mu: its number may be somebody else's
	last    bool           // guarded by mu: nothing more is started beside it
	readers sync.WaitGroup // grows under mu, and not after last
}

// beside runs f in a goroutine for which Wait waits; false when it no longer would.
func (p *child) beside(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last {
		return false
	}
	p.readers.Go(f)
	return true
}

// streams makes stdin, stdout and stderr of the child.
func (p *child) streams(fds *inheritance, capture bool) error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open "+os.DevNull, err)
	}
	fds.own(null)
	if !capture {
		fds.lend(1)
		fds.lend(2)
		return nil
	}
	for _, end := range []**os.File{&p.out, &p.err} {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return os.NewSyscallError("pipe", err)
		}
		fds.own(ends[1])
		unix.SetNonblock(ends[0], true)
		*end = os.NewFile(uintptr(ends[0]), "output")
	}
	return nil
}

// hold takes charge of the process that was just forked; keys go with the lines of its output.
func (p *child) hold(pid, pidfd int, keys []any) error {
	p.pid, p.ended, p.attended = pid, make(chan struct{}), make(chan struct{})
	if pidfd < 0 {
		var err error
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			unix.Kill(pid, unix.SIGKILL)
			return os.NewSyscallError("pidfd_open", err)
		}
	}
	unix.SetNonblock(pidfd, true)
	p.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	if p.board != nil {
		p.board.CloseFD()
	}
	for _, r := range []*os.File{p.out, p.err} {
		if r != nil {
			c := &collector{log: p.log, keys: keys, tail: &p.tail}
			p.beside(func() { c.read(r) })
		}
	}
	return nil
}

// abort closes what was opened for a process that did not come to be.
func (p *child) abort() {
	for _, f := range []*os.File{p.out, p.err} {
		if f != nil {
			f.Close()
		}
	}
	p.Close()
}

func (p *child) PID() int         { return p.pid }
func (p *child) Output() []string { return p.tail.last() }

// Signal sends sig to the process, which cannot be confused with a later one.
func (p *child) Signal(sig syscall.Signal) {
	p.withPidfd(func(fd int) { unix.PidfdSendSignal(fd, sig, nil, 0) })
}

// Kill sends sig to the process and to those of its group.
func (p *child) Kill(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.Signal(sig)
		unix.Kill(-p.pid, sig)
	}
}

func (p *child) withPidfd(f func(int)) {
	if raw, err := p.pidfd.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// Look reads the scoreboard.
func (p *child) Look(s *handoff.Snapshot, now int64) bool {
	if p.board == nil {
		return false
	}
	return p.board.Read(s, now) == nil
}

// Close releases what outlived the process.
func (p *child) Close() {
	if p.control != nil {
		p.control.Close()
	}
	if p.board != nil {
		p.board.Close()
	}
	if p.pidfd != nil {
		p.pidfd.Close()
	}
	if p.notify != nil {
		p.notify.close()
	}
}
