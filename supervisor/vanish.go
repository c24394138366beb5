// Files that vanish while we run, because somebody cleans a folder: a socket without a
// file takes no connection, and nobody notices until somebody complains.

package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tend makes the files again that are gone. Workers have only the old sockets, so they
// are replaced, one at a time; what waits in the old ones they serve.
func (s *Supervisor) tend(now time.Time) {
	if now.Sub(s.tended) < longestPeriod || s.stopping != running || !s.opened || s.reloading != nil || s.upgrading != nil {
		return
	}
	s.tended = now
	for _, l := range s.gen.listeners {
		_ = s.restore(l, s.gen.cfg.App.Kind.blocking())
	}
	s.tendPIDFile()
}

// restore binds l anew if its file has vanished. A failure is logged once.
func (s *Supervisor) restore(l *listener, blocking bool) error {
	if !l.vanished() {
		l.trouble = ""
		return nil
	}
	err := l.rebind(blocking)
	if err != nil {
		err = fmt.Errorf("the socket's file is gone, and cannot be made again: %w", err)
		if l.trouble != err.Error() {
			l.trouble = err.Error()
			s.log.Error("nobody can connect any more", "listener", l.address, "error", err)
		}
		return err
	}
	s.log.Error("the socket's file was gone and has been made again, the workers are replaced", "listener", l.address)
	for _, w := range s.workers {
		w.outdated = true
	}
	return nil
}

// vanished says that the file that we put at the path is not there any more.
func (l *listener) vanished() bool {
	if l.path == "" || l.foreign || l.ino == 0 {
		return false
	}
	var st unix.Stat_t
	err := unix.Lstat(l.path, &st)
	return errors.Is(err, unix.ENOENT) || err == nil && (uint64(st.Dev) != l.dev || st.Ino != l.ino)
}

// rebind puts a new socket at the path of l, and into l, unless somebody else listens
// there by now. The lock may have vanished as well.
func (l *listener) rebind(blocking bool) error {
	next := &listener{address: l.address, spec: l.spec, path: l.path, lock: l.lock}
	if !sameFile(l.lock, l.path+".lock") {
		lock, err := lockPath(l.path)
		if err != nil {
			return err
		}
		l.lock.Close()
		next.lock, l.lock = lock, lock
	}
	err := vacant(l.path)
	if err != nil {
		return err
	}
	if next.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(next.fd)
	// The number stays: a worker may be about to inherit it.
	if err := errors.Join(next.place(), unix.SetNonblock(next.fd, !blocking), unix.Dup3(next.fd, l.fd, unix.O_CLOEXEC)); err != nil {
		return err
	}
	l.dev, l.ino, l.trouble = next.dev, next.ino, ""
	return nil
}

// tendPIDFile writes the pidfile again if it has vanished; one that is somebody else's by
// now stays.
func (s *Supervisor) tendPIDFile() {
	if s.pidfile == nil {
		return
	}
	_, err := os.Lstat(s.pidfile.path)
	gone := errors.Is(err, fs.ErrNotExist)
	if gone && !s.pidfile.missed {
		err = s.pidfile.write()
		s.log.Warn("the pidfile was gone and is written again", "pidfile", s.pidfile.path, "error", err)
		gone = err != nil
	}
	s.pidfile.missed = gone
}
