// The control channel: one JSON message a packet, descriptors beside it.

package handoff

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of one packet. A longer one is refused by Send, and thrown away with an
// error by Receive.
const (
	maxPacket = 128 << 10 // bytes of JSON
	maxFDs    = 128       // descriptors that travel with one message
)

// ErrPacket is wrapped by the errors of [Conn.Receive] and [Conn.Send] that
// concern one packet only: the connection lives on.
var ErrPacket = errors.New("handoff: bad packet")

// Conn is one end of a control socket. Send may be called from any goroutine;
// Receive from one at a time. Both wait in Go's netpoller, so a waiting Conn costs
// no thread, and Close ends the wait.
type Conn struct {
	file *os.File
	raw  syscall.RawConn
}

// Socketpair makes a control socket. The first end is the supervisor's own, the
// second is meant to become [ControlFD] of a child and to be closed here once
// the child has it. Both are close-on-exec.
func Socketpair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("handoff: socketpair: %w", err)
	}
	c, err := NewConn(fds[0])
	if err != nil {
		unix.Close(fds[1])
		return nil, nil, err
	}
	return c, os.NewFile(uintptr(fds[1]), "control"), nil
}

// NewConn makes a Conn of an end that was inherited or received. It owns fd from
// now on, also when it fails, and makes it close-on-exec and non-blocking.
func NewConn(fd int) (*Conn, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("handoff: control socket %d: %w", fd, err)
	}
	f := os.NewFile(uintptr(fd), "control")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("handoff: control socket %d: %w", fd, err)
	}
	return &Conn{file: f, raw: raw}, nil
}

// Close closes this end; the other side sees end-of-file.
func (c *Conn) Close() error { return c.file.Close() }

// SetSendDeadline bounds the wait of Send for room in the socket, which a stopped
// peer never makes. The zero time means no bound.
func (c *Conn) SetSendDeadline(t time.Time) error { return c.file.SetWriteDeadline(t) }

// SetReceiveDeadline bounds the wait of Receive.
func (c *Conn) SetReceiveDeadline(t time.Time) error { return c.file.SetReadDeadline(t) }

// Bounds of the wait while the kernel refuses descriptors (ETOOMANYREFS): without
// privileges, as many may be under way as RLIMIT_NOFILE says, of all of a user's
// processes together. Whoever receives them makes room.
const (
	fullWait  = 5 * time.Millisecond
	fullWaits = 200
)

// Send sends m and duplicates of fds, which stay the caller's. It waits for room in the
// socket, and for a while for descriptors under way to arrive. An error that wraps
// [ErrPacket] means that this message can never be sent; EPIPE and ECONNRESET mean that
// the other side died.
func (c *Conn) Send(m Message, fds ...int) error {
	p, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPacket, err)
	}
	if len(p) > maxPacket || len(fds) > maxFDs {
		return fmt.Errorf("%w: %s of %d bytes and %d descriptors is over the limit", ErrPacket, m.Kind, len(p), len(fds))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	err = c.send(p, rights)
	for i := 0; i < fullWaits && errors.Is(err, unix.ETOOMANYREFS); i++ {
		time.Sleep(fullWait)
		err = c.send(p, rights)
	}
	if err != nil {
		return fmt.Errorf("handoff: send %s: %w", m.Kind, err)
	}
	return nil
}

// send sends one packet, waiting for room in the socket.
func (c *Conn) send(p, rights []byte) (err error) {
	werr := c.raw.Write(func(fd uintptr) bool {
		for {
			err = unix.Sendmsg(int(fd), p, rights, nil, unix.MSG_NOSIGNAL)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	return errors.Join(closed(werr), err)
}

// SendFiles sends names in as many Watch messages as they need.
func (c *Conn) SendFiles(names []string) error {
	const room = maxPacket / 8 // a byte of a name is at most 6 in JSON
	for len(names) > 0 {
		n, size := 0, 0
		for n < len(names) && (n == 0 || size+len(names[n])+3 <= room) {
			size += len(names[n]) + 3
			n++
		}
		if err := c.Send(Message{Kind: Watch, Files: names[:n]}); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// Receive waits for the next message. The descriptors that came with it are
// close-on-exec and belong to the caller, whatever the kind: [CloseFDs] for one
// that it does not know. io.EOF means that the other side is gone. An error that
// wraps [ErrPacket] concerns one packet only.
func (c *Conn) Receive() (Message, []int, error) {
	for {
		p, fds, err := c.packet()
		if err == unix.ECONNRESET {
			continue // the peer left something unread; what it sent still follows
		}
		if err != nil {
			return Message{}, nil, err
		}
		m, err := decode(p)
		if err != nil {
			CloseFDs(fds)
			return Message{}, nil, err
		}
		return m, fds, nil
	}
}

// packet reads one packet, whose size it asks for first: most are tiny.
func (c *Conn) packet() (p []byte, fds []int, err error) {
	rerr := c.raw.Read(func(fd uintptr) bool {
		var size int
		size, _, err = unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		if err == nil {
			p, fds, err = receive(int(fd), size)
		}
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if rerr != nil {
		CloseFDs(fds)
		return nil, nil, closed(rerr)
	}
	return p, fds, err
}

// closed turns what a wait in the netpoller failed with into an error that callers
// can name: a deadline, or else the Conn was closed.
func closed(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return os.ErrClosed
}

// receive takes the packet of the given size from the socket.
func receive(fd, size int) ([]byte, []int, error) {
	p, oob := make([]byte, min(size, maxPacket)), make([]byte, unix.CmsgSpace(maxFDs*4))
	n, oobn, flags, _, err := unix.Recvmsg(fd, p, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil {
		return nil, nil, err
	}
	fds := rights(oob[:oobn])
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		CloseFDs(fds)
		return nil, nil, fmt.Errorf("%w: %d bytes or too many descriptors", ErrPacket, size)
	}
	if n == 0 { // nobody sends empty packets
		CloseFDs(fds)
		return nil, nil, io.EOF
	}
	return p[:n], fds, nil
}

// rights returns the descriptors of a control buffer that the kernel wrote.
func rights(oob []byte) (fds []int) {
	cmsgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range cmsgs {
		if got, err := unix.ParseUnixRights(&cmsgs[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

// decode reads one packet. Unknown fields and kinds are of a newer peer and pass.
func decode(p []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(p, &m); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrPacket, err)
	}
	if m.Kind == "" {
		return Message{}, fmt.Errorf("%w: no kind", ErrPacket)
	}
	return m, nil
}

// CloseFDs closes descriptors that nobody wants.
func CloseFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
