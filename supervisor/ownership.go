// Who owns the path of a socket: the lock beside it, whoever listens there, the file that goes with us.

package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

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
