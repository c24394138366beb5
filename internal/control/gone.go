// Waiting until the appd behind a socket has ended.

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Process is the appd behind a control socket. The zero Process has ended.
type Process struct {
	fd int // a pidfd, 0 for none
}

// Listener is the pid of the process that listens at path; 0 when nobody does.
func Listener(path string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, cred, err := dial(ctx, path)
	if err != nil {
		return 0
	}
	conn.Close()
	return int(cred.Pid)
}

// Find takes hold of the process that listens at path.
func Find(path string) (Process, error) {
	conn, cred, err := dial(context.Background(), path)
	if err != nil {
		return Process{}, err
	}
	defer conn.Close()
	fd, err := unix.PidfdOpen(int(cred.Pid), 0)
	if errors.Is(err, unix.ESRCH) {
		return Process{}, nil
	}
	if err != nil {
		return Process{}, fmt.Errorf("pidfd_open: %w", err)
	}
	return Process{fd}, nil
}

// Wait returns when the process has ended, or with the error of ctx.
func (p Process) Wait(ctx context.Context) error {
	if p.fd == 0 {
		return nil
	}
	defer unix.Close(p.fd)
	for ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, 200)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	return ctx.Err()
}

// peer is who is at the other end of a connection; of a listener that is who called
// listen.
func peer(conn *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	failed := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(failed, err)
}
