// Binding: who owns a path, how a new socket takes its place, when it goes.

package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
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

	inherited bool // from our predecessor
}

// bind makes the socket for spec, blocking or not.
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

// bindTCP leaves resolving and dual stack to package net and keeps a duplicate.
func (l *listener) bindTCP() error {
	ln, err := net.Listen("tcp", l.address)
	if errors.Is(err, unix.EADDRINUSE) {
		return &InUseError{What: "address", Path: l.address}
	}
	if err != nil {
		return err
	}
	defer ln.Close()
	if l.fd, err = handoff.Duplicate(ln.(*net.TCPListener)); err != nil {
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

// vacant makes sure that nobody listens at path: the lock only says that no appd
// does. The kernel tells who called listen(2); one that is dead left an orphan.
func vacant(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return fmt.Errorf("unix:%s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("unix:%s: there is a file at this path that is not a socket", path)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case nil:
	case unix.EAGAIN: // a full queue: somebody should be there
		return &InUseError{What: "address", Path: "unix:" + path}
	default: // refused: nobody listens
		return nil
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Pid != 0 && unix.Kill(int(cred.Pid), 0) == unix.ESRCH {
		return nil
	}
	return &InUseError{What: "address", Path: "unix:" + path, Owner: int(cred.Pid)}
}

// lockPath takes the lock that stands for the ownership of path. The file goes with
// its owner, so one that was locked after its removal does not count. A link is not
// followed: in a folder where others may write it could lead to any file of ours.
func lockPath(path string) (*os.File, error) {
	name := path + ".lock"
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("unix:%s: there is no folder %s; make it (systemd: RuntimeDirectory=), or listen elsewhere", path, filepath.Dir(path))
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("unix:%s: appd's user may not make files in %s", path, filepath.Dir(path))
		case err != nil:
			return nil, fmt.Errorf("unix:%s: %w", path, err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			owner := readPID(f)
			f.Close()
			return nil, &InUseError{What: "address", Path: "unix:" + path, Owner: owner}
		}
		if sameFile(f, name) {
			return f, writePID(f)
		}
		f.Close()
	}
}

// sameFile says whether name still is the file that f has open.
func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

func readPID(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}

func writePID(f *os.File) error {
	text := fmt.Sprintf("%d\n", os.Getpid())
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(text)))
}

// unlink removes the socket's file if it is still the one that we put there.
func (l *listener) unlink() error {
	if l.path == "" || l.foreign || l.ino == 0 {
		return nil
	}
	var st unix.Stat_t
	if unix.Lstat(l.path, &st) != nil || uint64(st.Dev) != l.dev || st.Ino != l.ino {
		return nil
	}
	l.ino = 0
	return os.Remove(l.path)
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

// bindAll gives gen its listeners: those that are there already, and new ones,
// which it returns. After an error none of the new ones is left.
func (s *Supervisor) bindAll(gen *generation) (bound []*listener, err error) {
	for _, spec := range gen.cfg.Listeners {
		l := s.listener(spec.Worker.Address)
		if l == nil {
			if l, err = s.sys.bind(spec, gen.cfg.App.Kind.blocking()); err != nil {
				s.closeListeners(bound)
				gen.listeners = nil
				return nil, err
			}
			bound = append(bound, l)
			s.listeners = append(s.listeners, l)
			s.log.Info("listening", "listener", l.address)
			l.advise(s.log)
		}
		gen.listeners = append(gen.listeners, l)
	}
	return bound, nil
}

// changeListeners gives the sockets of the generation in force the attributes that
// it asks for. all: also those that look as they should.
func (s *Supervisor) changeListeners(all bool) {
	for i, l := range s.gen.listeners {
		spec := s.gen.cfg.Listeners[i]
		changed := all || l.spec.Mode != spec.Mode || l.spec.Owner != spec.Owner || l.spec.Group != spec.Group || l.spec.Backlog != spec.Backlog
		l.spec = spec
		if !changed || l.fd < 0 {
			continue
		}
		if err := l.change(); err != nil {
			s.log.Warn("listener keeps its old attributes", "listener", l.address, "error", err)
		}
		l.advise(s.log)
	}
}

// change applies the attributes to a socket in use.
func (l *listener) change() error {
	if l.path != "" {
		if err := l.permit(l.path); err != nil {
			return err
		}
	}
	if l.foreign && l.spec.Backlog == 0 {
		return nil // whoever opened it chose
	}
	return unix.Listen(l.fd, l.backlog())
}

func (s *Supervisor) listener(address string) *listener {
	for _, l := range s.listeners {
		if l.address == address {
			return l
		}
	}
	return nil
}

// dropListeners unlinks what the generation in force does not use and closes what
// none uses.
func (s *Supervisor) dropListeners() {
	for _, l := range slices.Clone(s.listeners) {
		if slices.Contains(s.gen.listeners, l) || s.reloading != nil && s.reloading.gen != nil && slices.Contains(s.reloading.gen.listeners, l) {
			continue
		}
		if err := l.unlink(); err != nil {
			s.log.Warn("socket file stays", "listener", l.address, "error", err)
		}
		if !slices.ContainsFunc(s.generations, func(g *generation) bool { return slices.Contains(g.listeners, l) }) {
			s.closeListeners([]*listener{l})
		}
	}
}

// closeListeners closes them and forgets them.
func (s *Supervisor) closeListeners(list []*listener) error {
	var errs []error
	for _, l := range slices.Clone(list) {
		errs = append(errs, l.close())
		s.listeners = slices.DeleteFunc(s.listeners, func(o *listener) bool { return o == l })
	}
	return errors.Join(errs...)
}

// dropped says that w has a listener that its successors do not have: what waits
// there must be served by w.
func (s *Supervisor) dropped(w *worker) bool {
	return slices.ContainsFunc(w.gen.listeners, func(l *listener) bool { return !slices.Contains(s.gen.listeners, l) })
}
