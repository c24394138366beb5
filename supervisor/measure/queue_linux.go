// The accept queue of a listener.

package measure

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errSocket is what Queue says of a socket whose queue cannot be seen.
var errSocket = errors.New("neither a Unix nor a TCP listener")

// Queue tells how many connections wait to be accepted on the listener fd, and how
// many may wait: the backlog as the kernel truncated it.
func Queue(fd int) (depth, limit int, err error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil {
		switch domain {
		case unix.AF_UNIX:
			depth, limit, err = unixQueue(fd)
		case unix.AF_INET, unix.AF_INET6:
			depth, limit, err = tcpQueue(fd)
		default:
			err = errSocket
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("measure: accept queue: %w", err)
	}
	return depth, limit, nil
}

// tcpQueue reads TCP_INFO, which holds the queue of a listener in two fields that
// count segments for a connection (tcp_get_info in the kernel's net/ipv4/tcp.c).
func tcpQueue(fd int) (depth, limit int, err error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0, err
	}
	const listen = 10 // TCP_LISTEN of the kernel's include/net/tcp_states.h
	if info.State != listen {
		return 0, 0, errSocket
	}
	return int(info.Unacked), int(info.Sacked), nil
}

// Parts of include/uapi/linux/unix_diag.h, see sock_diag(7).
const (
	showQueue = 0x10 // UDIAG_SHOW_RQLEN
	attrQueue = 4    // UNIX_DIAG_RQLEN: two words, depth and limit of a listener
	stateAll  = ^uint32(0)
	noCookie  = ^uint32(0)
	reqSize   = unix.SizeofNlMsghdr + 24
	msgSize   = 16 // struct unix_diag_msg, in front of the attributes
)

// unixQueue asks the sock_diag family of netlink for one socket by its inode.
func unixQueue(fd int) (depth, limit int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, err
	}
	if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
		return 0, 0, errors.Join(errSocket, err)
	}
	nl, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(nl)
	if err := unix.Sendto(nl, diagRequest(uint32(st.Ino)), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 1024)
	n, _, err := unix.Recvfrom(nl, buf, 0)
	if err != nil {
		return 0, 0, err
	}
	return diagAnswer(buf[:n])
}

// diagRequest is a struct nlmsghdr with a struct unix_diag_req.
func diagRequest(inode uint32) []byte {
	ne := binary.NativeEndian
	p := make([]byte, 0, reqSize)
	p = ne.AppendUint32(p, reqSize)
	p = ne.AppendUint16(p, unix.SOCK_DIAG_BY_FAMILY)
	p = ne.AppendUint16(p, unix.NLM_F_REQUEST)
	p = append(p, 0, 0, 0, 0, 0, 0, 0, 0) // sequence, port
	p = append(p, unix.AF_UNIX, 0, 0, 0)
	p = ne.AppendUint32(p, stateAll)
	p = ne.AppendUint32(p, inode)
	p = ne.AppendUint32(p, showQueue)
	p = ne.AppendUint32(p, noCookie)
	return ne.AppendUint32(p, noCookie)
}

// diagAnswer finds the queue in a struct nlmsghdr with a struct unix_diag_msg and
// its attributes.
func diagAnswer(p []byte) (depth, limit int, err error) {
	ne := binary.NativeEndian
	if len(p) < unix.SizeofNlMsghdr+4 {
		return 0, 0, fmt.Errorf("netlink answered %d bytes", len(p))
	}
	kind := ne.Uint16(p[4:])
	p = p[unix.SizeofNlMsghdr:]
	if kind == unix.NLMSG_ERROR {
		return 0, 0, unix.Errno(-int32(ne.Uint32(p)))
	}
	for p = p[min(msgSize, len(p)):]; len(p) >= 4; {
		size := int(ne.Uint16(p))
		if size < 4 || size > len(p) {
			break
		}
		if ne.Uint16(p[2:]) == attrQueue && size >= 12 {
			return int(ne.Uint32(p[4:])), int(ne.Uint32(p[8:])), nil
		}
		p = p[min((size+3)&^3, len(p)):]
	}
	return 0, 0, errors.New("netlink answered without a queue")
}
