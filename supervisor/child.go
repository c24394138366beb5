// A real process: what it says, what it is told, how its end is noticed.

package supervisor

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	sendRoom   = 512                    // messages that wait for a worker to read
	sendTime   = 5 * time.Second        // for one of them
	lastWords  = 500 * time.Millisecond // for output that is still in the pipe
	leftover   = 2 * time.Second        // for children that a worker leaves behind
	maxDump    = 8 << 20                // bytes of stacks
	pollPeriod = 50 * time.Millisecond
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
	readers sync.WaitGroup
	packets chan packet
	ended   chan struct{}
}

// packet is a message on its way to a worker, with descriptors of its own.
type packet struct {
	msg handoff.Message
	fds []int
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
	p.pid, p.ended = pid, make(chan struct{})
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
			p.readers.Go(func() { c.read(r) })
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

// Attend starts to listen to what the worker says.
func (p *child) Attend(hear func(handoff.Message, []int)) {
	if p.control == nil {
		p.readers.Go(func() { p.awaitReady(hear) })
		return
	}
	p.packets = make(chan packet, sendRoom)
	p.readers.Go(p.write)
	p.readers.Go(func() {
		for {
			m, fds, err := p.control.Receive()
			switch {
			case err == nil:
				hear(m, fds)
			case errors.Is(err, handoff.ErrPacket):
				p.log.Warn("worker sent nonsense", "pid", p.pid, "error", err)
			default:
				return
			}
		}
	})
}

// awaitReady says ready for a program that has no control socket: when it says so
// to its notify socket, or has lived long enough.
func (p *child) awaitReady(hear func(handoff.Message, []int)) {
	said := make(chan struct{})
	if p.notify != nil {
		go p.notify.await(said)
	}
	timer := time.NewTimer(p.readyAfter)
	defer timer.Stop()
	select {
	case <-p.ended:
		return
	case <-timer.C:
	case <-said:
	}
	hear(handoff.Message{Kind: handoff.Ready}, nil)
}

// Send queues m. A worker that does not read loses messages, not our loop.
func (p *child) Send(m handoff.Message, fds ...int) {
	if p.packets == nil {
		return
	}
	dup := make([]int, 0, len(fds))
	for _, fd := range fds {
		d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			handoff.CloseFDs(dup)
			p.log.Error("no descriptor for a message", "pid", p.pid, "error", err)
			return
		}
		dup = append(dup, d)
	}
	select {
	case p.packets <- packet{m, dup}:
	default:
		handoff.CloseFDs(dup)
		p.log.Warn("worker does not read its messages", "pid", p.pid)
	}
}

// write sends what is queued until the process has ended.
func (p *child) write() {
	defer func() {
		for {
			select {
			case k := <-p.packets:
				handoff.CloseFDs(k.fds)
			default:
				return
			}
		}
	}()
	for {
		select {
		case <-p.ended:
			return
		case k := <-p.packets:
			p.control.SetSendDeadline(time.Now().Add(sendTime))
			err := p.control.Send(k.msg, k.fds...)
			handoff.CloseFDs(k.fds)
			if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
				p.log.Warn("worker cannot be told", "pid", p.pid, "error", err)
			}
		}
	}
}

// Signal sends sig to the process, which cannot be confused with a later one.
func (p *child) Signal(sig syscall.Signal) {
	p.withPidfd(func(fd int) { unix.PidfdSendSignal(fd, sig, nil, 0) })
}

// Kill sends sig to the process and to those of its group.
func (p *child) Kill(sig syscall.Signal) {
	select {
	case <-p.ended:
		return
	default:
	}
	p.Signal(sig)
	unix.Kill(-p.pid, sig)
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

// Dump has the worker write its stacks. done is called once, from another goroutine.
func (p *child) Dump(reason string, done func([]byte, error)) {
	p.receive(handoff.Message{Kind: handoff.Dump, Reason: reason}, dumpTime, done)
}

// Profile has the worker write a CPU profile.
func (p *child) Profile(seconds int, done func([]byte, error)) {
	p.receive(handoff.Message{Kind: handoff.Profile, Seconds: seconds}, time.Duration(seconds)*time.Second+10*time.Second, done)
}

// receive sends m with a pipe and collects what the worker writes into it.
func (p *child) receive(m handoff.Message, limit time.Duration, done func([]byte, error)) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		p.readers.Go(func() { done(nil, os.NewSyscallError("pipe", err)) })
		return
	}
	unix.SetNonblock(ends[0], true)
	r := os.NewFile(uintptr(ends[0]), "dump")
	p.Send(m, ends[1])
	unix.Close(ends[1])
	p.readers.Go(func() {
		defer r.Close()
		r.SetReadDeadline(time.Now().Add(limit))
		text, err := io.ReadAll(io.LimitReader(r, maxDump))
		if len(text) == 0 && err == nil {
			err = errors.New("the worker wrote nothing")
		}
		if len(text) > 0 && m.Kind == handoff.Dump {
			err = nil // what there is helps
		}
		done(text, err)
	})
}

// Wait waits for the end and for the last words. [child.Bereave] must follow.
func (p *child) Wait() exit {
	e := p.reap()
	close(p.ended)
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
	p.readers.Wait()
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
