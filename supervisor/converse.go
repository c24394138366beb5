// What a worker process says and is told.

package supervisor

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	sendRoom = 512             // messages that wait for a worker to read
	sendTime = 5 * time.Second // for one of them
	maxDump  = 8 << 20         // bytes of stacks
)

// packet is a message on its way to a worker, with descriptors of its own.
type packet struct {
	msg handoff.Message
	fds []int
}

// Attend starts to listen to what the worker says. Wait waits for that: the words of a
// process that ends at once must not be lost.
func (p *child) Attend(hear func(handoff.Message, []int)) {
	defer close(p.attended)
	if p.control == nil {
		p.beside(func() { p.awaitReady(hear) })
		return
	}
	p.packets = make(chan packet, sendRoom)
	p.beside(p.write)
	p.beside(func() {
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
		go done(nil, os.NewSyscallError("pipe", err))
		return
	}
	unix.SetNonblock(ends[0], true)
	r := os.NewFile(uintptr(ends[0]), "dump")
	p.Send(m, ends[1])
	unix.Close(ends[1])
	going := p.beside(func() {
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
	if !going {
		r.Close()
		go done(nil, errors.New("the worker has ended"))
	}
}
