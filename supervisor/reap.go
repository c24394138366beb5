// How the end of a process is noticed, and that of its children.

package supervisor

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	lastWords  = 500 * time.Millisecond // for output that is still in the pipe
	leftover   = 2 * time.Second        // for children that a worker leaves behind
	pollPeriod = 50 * time.Millisecond
)

// Wait waits for the end and for the last words. [child.Attend] is called before or
// meanwhile; [child.Bereave] must follow.
func (p *child) Wait() exit {
	e := p.reap()
	close(p.ended)
	<-p.attended
	p.lastWords()
	return e
}

// reap waits in Go's poller, so that a waiting process costs no thread. The group
// is told while the zombie still keeps its number.
func (p *child) reap() exit {
	var info siginfo
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return exit{code: -1, err: err}
	}
	err = raw.Read(func(fd uintptr) bool {
		info = siginfo{}
		err := waitid(unix.P_PIDFD, int(fd), &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT)
		return err != nil || info.pid != 0
	})
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	unix.Kill(-p.pid, unix.SIGTERM)
	var use unix.Rusage
	if werr := waitidUsage(unix.P_PID, p.pid, &info, unix.WEXITED, &use); werr != nil || err != nil {
		return exit{code: -1, err: errors.Join(err, werr)}
	}
	e := exit{code: int(info.status), cpu: time.Duration(use.Utime.Nano() + use.Stime.Nano())}
	if info.code != cldExited {
		e.code, e.signal = -1, syscall.Signal(info.status)
		e.oom = e.signal == syscall.SIGKILL && p.oom.claim()
	}
	return e
}

// Bereave reaps the children that a worker left behind, which are ours now, and
// kills them if they do not go: nobody would look after them. While one of them
// lives the number of the group belongs to nobody else.
func (p *child) Bereave() {
	begun := time.Now()
	killed := false
	var info siginfo
	for {
		info = siginfo{}
		if waitid(unix.P_PGID, p.pid, &info, unix.WEXITED|unix.WNOHANG) != nil {
			break // no child of ours is left in the group
		}
		if info.pid != 0 {
			continue
		}
		if !killed && time.Since(begun) > leftover {
			unix.Kill(-p.pid, unix.SIGKILL)
			killed = true
		}
		time.Sleep(pollPeriod)
	}
	if p.keeper != nil {
		p.keeper.release(p.pid)
	}
}

// lastWords waits for the readers; a stranger that holds the streams open does not
// keep them.
func (p *child) lastWords() {
	if p.control != nil {
		p.control.SetReceiveDeadline(time.Now().Add(lastWords))
	}
	for _, f := range []*os.File{p.out, p.err} {
		if f != nil {
			timer := time.AfterFunc(lastWords, func() { f.Close() })
			defer timer.Stop()
		}
	}
	if p.notify != nil {
		p.notify.close()
	}
	p.mu.Lock()
	p.last = true
	p.mu.Unlock()
	p.readers.Wait()
}

// siginfo is what waitid(2) fills in, on 64-bit Linux.
type siginfo struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

const cldExited = 1

func waitid(idType, id int, info *siginfo, options int) error {
	return waitidUsage(idType, id, info, options, nil)
}

// waitidUsage tells what the process used, too: a fifth argument that only the
// system call itself has.
func waitidUsage(idType, id int, info *siginfo, options int, use *unix.Rusage) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, uintptr(idType), uintptr(id), uintptr(unsafe.Pointer(info)), uintptr(options), uintptr(unsafe.Pointer(use)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
