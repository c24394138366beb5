// How a listener is given to a child without disturbing those who already have it.

package handoff

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Inherit duplicates a listener for a child. O_NONBLOCK belongs to the open file
// description that all workers share; File, and Fd of what it returns, clear it,
// so that a running worker gets stuck in accept(2) while its sibling boots
// (go.dev/issue/29277). The duplicate is made with F_DUPFD_CLOEXEC instead, and
// its Fd leaves the flag alone because the descriptor was non-blocking before.
func Inherit(l syscall.Conn) (*os.File, error) {
	fd, err := Duplicate(l)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

// Duplicate is [Inherit] for those who start children with raw descriptors. It
// keeps the duplicate out of the netpoller, where each new connection would wake
// this process too.
func Duplicate(l syscall.Conn) (int, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("handoff: duplicate: %w", err)
	}
	dup := -1
	cerr := raw.Control(func(fd uintptr) {
		dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
	})
	if err = errors.Join(cerr, err); err != nil {
		return -1, fmt.Errorf("handoff: duplicate: %w", err)
	}
	return dup, nil
}
