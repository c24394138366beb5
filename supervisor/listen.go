// Binding: how a new socket takes its place, and when it goes.

package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	defaultMode    = 0o660
	defaultBacklog = 2048
	maxPath        = 107 // bytes of a Unix socket's path
)

// listener is a listening socket. It is kept as a bare descriptor: Go's poller
// would wake this process for each connection, and os.File would make it blocking.
type listener struct {
	address string
	spec    Listener
	fd      int
	path    string   // of a Unix socket with a file
	lock    *os.File // flock on path.lock: we own the path
	dev     uint64   // of the file that we put there
	ino     uint64
	foreign bool // is not ours to unlink: opened by others, or handed on

	inherited bool   // from our predecessor
	trouble   string // that was logged about a file that vanished
}

// bind makes the socket for spec, whose names were looked up, blocking or not.
func bind(spec Listener, blocking bool) (*listener, error) {
	l := &listener{address: spec.Worker.Address, spec: spec, fd: -1}
	err := l.bind()
	if err == nil {
		err = unix.SetNonblock(l.fd, !blocking)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// bind makes the socket of whatever kind the address asks for.
func (l *listener) bind() error {
	path, unixSocket := strings.CutPrefix(l.address, "unix:")
	number, inherited := strings.CutPrefix(l.address, "fd://")
	switch {
	case inherited:
		return l.take(number)
	case unixSocket:
		return l.bindUnix(path)
	}
	return l.bindTCP()
}

func (l *listener) backlog() int {
	if l.spec.Backlog > 0 {
		return l.spec.Backlog
	}
	return defaultBacklog
}

// take uses a descriptor that we were started with.
func (l *listener) take(number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("%s: not a descriptor", l.address)
	}
	if on, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
		return fmt.Errorf("%s: descriptor %d is not a listening socket", l.address, n)
	}
	l.fd, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
	unix.CloseOnExec(n)
	l.foreign = true
	return err
}

// bindTCP leaves dual stack to package net and keeps a duplicate.
func (l *listener) bindTCP() error {
	n := l.spec.names
	if n.unresolved != nil {
		return n.unresolved
	}
	ln, err := net.ListenTCP("tcp", n.address)
	if errors.Is(err, unix.EADDRINUSE) {
		return &InUseError{What: "address", Path: l.address}
	}
	if err != nil {
		return err
	}
	defer ln.Close()
	if l.fd, err = handoff.Duplicate(ln); err != nil {
		return err
	}
	return unix.Listen(l.fd, l.backlog())
}

// bindUnix binds under a temporary name and renames: nobody ever finds a socket at
// the path that does not answer, or has the wrong mode.
func (l *listener) bindUnix(path string) error {
	var err error
	if l.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	if strings.HasPrefix(path, "@") {
		return l.bindAbstract(path)
	}
	if len(path) > maxPath {
		return fmt.Errorf("unix:%s: the path has %d bytes, a socket's may have %d", path, len(path), maxPath)
	}
	if l.path, err = filepath.Abs(path); err != nil {
		return err
	}
	if l.lock, err = lockPath(l.path); err != nil {
		return err
	}
	if err := vacant(l.path); err != nil {
		return err
	}
	return l.place()
}

func (l *listener) bindAbstract(path string) error {
	err := unix.Bind(l.fd, &unix.SockaddrUnix{Name: path})
	if err == unix.EADDRINUSE {
		return &InUseError{What: "address", Path: l.address}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.address, os.NewSyscallError("bind", err))
	}
	return unix.Listen(l.fd, l.backlog())
}

// place binds, sets the owner and the mode, listens and renames, in this order.
func (l *listener) place() error {
	dir, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return fmt.Errorf("%s: %w", l.address, err)
	}
	defer dir.Close()
	temporary := l.path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", l.address, err)
	}
	name := temporary
	if len(name) > maxPath {
		name = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(temporary))
	}
	if err := unix.Bind(l.fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return fmt.Errorf("%s: %w", l.address, os.NewSyscallError("bind", err))
	}
	if err := errors.Join(l.permit(temporary), unix.Listen(l.fd, l.backlog())); err != nil {
		os.Remove(temporary)
		return fmt.Errorf("%s: %w", l.address, err)
	}
	if err := os.Rename(temporary, l.path); err != nil {
		os.Remove(temporary)
		return fmt.Errorf("%s: %w", l.address, err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(l.path, &st); err != nil {
		return fmt.Errorf("%s: %w", l.address, err)
	}
	l.dev, l.ino = uint64(st.Dev), st.Ino
	return nil
}

// close lets go of the socket, and of the path if it is ours.
func (l *listener) close() error {
	err := l.unlink()
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
	if l.lock != nil {
		if !l.foreign && sameFile(l.lock, l.path+".lock") {
			os.Remove(l.path + ".lock")
		}
		l.lock.Close()
		l.lock = nil
	}
	return err
}
