// Listeners: what may be inherited, who may connect, how accepting stops.

//go:build linux

package eventloop

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/protocols/http1"
)

// listener is a Listener in use.
type listener struct {
	Listener
	loop   *Loop
	index  int
	key    int32 // names it in events
	fd     int   // own duplicate; -1 when closed, and then guarded by mu
	unix   bool
	codecs codecs
	gate   gate

	mu    sync.Mutex // held by whoever accepts
	waits int64      // since when a connection waits for a place

	// foreign threads: in the loop's own epoll
	attached bool

	// Go: a second duplicate in the netpoller, where one goroutine waits
	paused atomic.Bool
	file   *os.File
	raw    syscall.RawConn
	seat   seat
	on     chan struct{}
	room   chan struct{} // told when one of all places becomes free
}

// Listen adds a listener, before Start, and returns its index, by which exchanges
// and detached connections name it. The descriptor is duplicated; O_NONBLOCK,
// which belongs to the description that other workers share, is required and
// never changed.
func (l *Loop) Listen(cfg Listener) (index int, err error) {
	fail := func(err error) (int, error) {
		return 0, fmt.Errorf("eventloop: listener %s: %w", cfg.Address, err)
	}
	flags, err := unix.FcntlInt(uintptr(cfg.FD), unix.F_GETFL, 0)
	if err != nil {
		return fail(err)
	}
	if flags&unix.O_NONBLOCK == 0 {
		return fail(errors.New("the socket is blocking"))
	}
	domain, err := unix.GetsockoptInt(cfg.FD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fail(err)
	}
	fd, err := unix.FcntlInt(uintptr(cfg.FD), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fail(err)
	}
	l.life.Lock()
	defer l.life.Unlock()
	ls := &listener{Listener: cfg, loop: l, index: len(l.listeners), key: int32(fd), fd: fd, unix: domain == unix.AF_UNIX, room: make(chan struct{}, 1)}
	ls.codecs.limits = l.limits()
	ls.codecs.http = http1.Config{Limits: ls.codecs.limits, Proxy: cfg.ProxyProtocol, Trust: cfg.Trust}
	l.listeners = append(l.listeners, ls)
	return ls.index, nil
}

func (ls *listener) close() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.file != nil {
		ls.file.Close()
	}
	if ls.fd >= 0 {
		closeFD(ls.fd)
		ls.fd = -1
	}
}

// stopAccepting and startAccepting are called under the loop's life lock.
func (ls *listener) stopAccepting() {
	if ls.loop.config.Serve == nil {
		ls.detach()
		return
	}
	ls.paused.Store(true)
	if ls.file != nil {
		ls.file.Close() // the acceptor wakes up and waits for on
	}
}

func (ls *listener) startAccepting() {
	if ls.loop.config.Serve == nil {
		if !ls.loop.closed {
			ls.attach()
		}
		return
	}
	if !ls.loop.closed {
		ls.paused.Store(false)
	}
	wake(ls.on)
}

// welcome says whether the peer of a new connection may connect, and finds out
// its address.
func (c *conn) welcome() bool {
	ls := c.lis
	c.address()
	if ls.unix {
		if len(ls.AllowUIDs) == 0 {
			return true
		}
		peer, err := unix.GetsockoptUcred(c.fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil && slices.Contains(ls.AllowUIDs, peer.Uid) {
			return true
		}
		if err == nil {
			c.note(fmt.Sprintf("refused a connection of user %d, process %d: not in allow_peers", peer.Uid, peer.Pid))
		}
		return false
	}
	if len(ls.AllowNets) == 0 {
		return true
	}
	for _, n := range ls.AllowNets {
		if n.Contains(c.remote.Addr()) {
			return true
		}
	}
	c.note("refused a connection from " + c.remote.String() + ": not in allow_peers")
	return false
}

// address finds out the addresses of a TCP connection.
func (c *conn) address() {
	if c.unix {
		return
	}
	unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if sa, err := unix.Getpeername(c.fd); err == nil {
		c.remote = addrPort(sa)
	}
	if sa, err := unix.Getsockname(c.fd); err == nil {
		c.local = addrPort(sa)
	}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
