// Who may open a socket: owner, group, mode, and whether that lets the web server in.

package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// fronts are the accounts that web servers run under in the distributions.
var fronts = []string{"www-data", "nginx"}

// permit sets owner, group and mode of the socket's file. A group that nobody wrote
// is set where that is possible. The file is held by a descriptor: whoever may write
// to its folder, the application perhaps, could put a link to another file there.
func (l *listener) permit(path string) error {
	n := l.spec.names
	if n.wrong != nil {
		return n.wrong
	}
	file, err := holdSocket(path)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	if n.owner >= 0 || n.group >= 0 {
		if err := chownHeld(file, n.owner, n.group); err != nil {
			return fmt.Errorf("%s: %w", path, os.NewSyscallError("chown", err))
		}
	}
	for _, id := range n.webGroups {
		if chownHeld(file, -1, id) == nil {
			break
		}
	}
	// A descriptor of this kind cannot be given to fchmod(2).
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", file), cmp.Or(l.spec.Mode, defaultMode))
}

// holdSocket opens the socket file at path, but nothing that a link there leads to.
func holdSocket(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", path, os.NewSyscallError("open", err))
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		err = errors.New("is no longer a socket")
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("%s: %w", path, err)
	}
	return fd, nil
}

func chownHeld(fd, uid, gid int) error { return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH) }

// advise warns about what will cost the operator an hour otherwise: a web server
// that cannot open the socket, a backlog that the kernel cuts.
func (l *listener) advise(log *journal) {
	if somaxconn, err := readInt("/proc/sys/net/core/somaxconn"); err == nil && l.backlog() > int(somaxconn) {
		log.Warn("the kernel cuts the backlog: raise net.core.somaxconn", "listener", l.address, "backlog", l.backlog(), "somaxconn", somaxconn)
	}
	who := l.spec.names.front
	if l.path == "" || who == nil {
		return
	}
	if err := denied(l.path, unix.W_OK, who.uid, who.groups); err != nil {
		log.Warn("the web server's user cannot open the socket", "listener", l.address, "user", who.name, "error", err,
			"remedy", fmt.Sprintf("listen %q { group = %q }, and let it enter the folders above", l.address, who.name))
	}
}

// denied says why a user, who is in groups, lacks the right want to path; nil if it has it.
func denied(path string, want fs.FileMode, uid int, groups []string) error {
	if uid == 0 {
		return nil
	}
	may := func(name string, bit fs.FileMode) error {
		st, err := os.Stat(name)
		if err != nil {
			return err
		}
		sys, ok := st.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.ErrUnsupported
		}
		mode := st.Mode().Perm()
		switch {
		case int(sys.Uid) == uid:
			mode >>= 6
		case slices.Contains(groups, strconv.Itoa(int(sys.Gid))):
			mode >>= 3
		}
		if mode&bit == 0 {
			return fmt.Errorf("%s is closed to it (mode %v)", name, st.Mode())
		}
		return nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := may(dir, unix.X_OK); err != nil {
			return err
		}
		if dir == "/" {
			return may(path, want)
		}
	}
}
