// The system calls of the hot path, without the scheduler's book-keeping: every one
// of them returns at once because MSG_DONTWAIT or O_NONBLOCK forbids it to wait.

//go:build linux

package eventloop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noData is a valid address for empty slices.
var noData byte

func address(p []byte) unsafe.Pointer {
	if len(p) == 0 {
		return unsafe.Pointer(&noData)
	}
	return unsafe.Pointer(&p[0])
}

// accept takes one connection from a non-blocking listener.
func accept(fd int) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), e
}

// receive reads what the socket has, EAGAIN if that is nothing.
func receive(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(address(p)), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// send writes what the socket takes. A peer that is gone is EPIPE, never SIGPIPE.
func send(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(address(p)), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// sendv is send for several pieces.
func sendv(fd int, iov []syscall.Iovec) (int, syscall.Errno) {
	m := syscall.Msghdr{Iov: &iov[0], Iovlen: uint64(len(iov))}
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// closeFD closes a socket.
func closeFD(fd int) { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// epollCtl changes what the epoll descriptor ep knows of fd.
func epollCtl(ep, op, fd int, ev *unix.EpollEvent) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return e
}

// epollPoll harvests events without waiting.
func epollPoll(ep int, ev []unix.EpollEvent) int {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&ev[0])), uintptr(len(ev)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}
