// Where the admin endpoint listens, and who may connect.

package status

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/accounts"
)

// Address is where the admin endpoint listens.
type Address struct {
	Address    string      // HOST:PORT or unix:PATH
	Mode       os.FileMode // of a Unix socket; 0 = 0600
	Owner      string      // of a Unix socket, name or number; "" = ours
	Group      string
	AllowPeers []string // users (Unix) or networks (TCP) that may connect; empty: all who can
}

// Listen binds the address. An existing Unix socket is replaced in one step, so that
// a successor can take the path over while its predecessor still answers.
func (a Address) Listen() (net.Listener, error) {
	allowed, err := a.peers()
	if err != nil {
		return nil, err
	}
	path, isUnix := strings.CutPrefix(a.Address, "unix:")
	if !isUnix {
		l, err := net.Listen("tcp", a.Address)
		if err != nil {
			return nil, fmt.Errorf("admin endpoint: %w", err)
		}
		return &guarded{Listener: l, allowed: allowed}, nil
	}
	l, err := a.listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("admin endpoint: %w", err)
	}
	return &guarded{Listener: l, allowed: allowed}, nil
}

// retry is how often ListenWhenFree looks again.
const retry = 100 * time.Millisecond

// ListenWhenFree is Listen for the successor in an upgrade: it waits until the
// predecessor gives a TCP address up.
func (a Address) ListenWhenFree(ctx context.Context) (net.Listener, error) {
	for {
		l, err := a.Listen()
		if !errors.Is(err, unix.EADDRINUSE) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(retry):
		}
	}
}

// listenUnix binds under a temporary name, in a folder that only we can enter, sets
// mode and owner and renames it to its own.
func (a Address) listenUnix(path string) (net.Listener, error) {
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("%s exists and is not a socket", path)
	}
	uid, gid, err := a.ids()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".a")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = errors.Join(os.Chown(temp, uid, gid), os.Chmod(temp, mode(a.Mode)))
	var st os.FileInfo
	if err == nil {
		st, err = os.Lstat(temp)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return &unixListener{UnixListener: l, path: path, file: st}, nil
}

func mode(m os.FileMode) os.FileMode {
	if m == 0 {
		return 0o600
	}
	return m.Perm()
}

// ids are the owner and the group to set, -1 for unchanged.
func (a Address) ids() (uid, gid int, err error) {
	uid, gid = -1, -1
	if a.Owner != "" {
		if uid, err = accounts.User(a.Owner); err != nil {
			return 0, 0, err
		}
	}
	if a.Group != "" {
		if gid, err = accounts.Group(a.Group); err != nil {
			return 0, 0, err
		}
	}
	return uid, gid, nil
}

// unixListener unlinks its path on Close, unless a successor has taken it over.
type unixListener struct {
	*net.UnixListener
	path string
	file os.FileInfo
}

// Close implements net.Listener.
func (l *unixListener) Close() error {
	if st, err := os.Lstat(l.path); err == nil && os.SameFile(st, l.file) {
		os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

// guarded accepts only peers that are allowed; the others are closed at once.
type guarded struct {
	net.Listener
	allowed func(net.Conn) bool // nil: everybody
}

// Accept implements net.Listener.
func (l *guarded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.allowed == nil || l.allowed(c) {
			return c, err
		}
		c.Close()
	}
}

// peers compiles AllowPeers.
func (a Address) peers() (func(net.Conn) bool, error) {
	if len(a.AllowPeers) == 0 {
		return nil, nil
	}
	if strings.HasPrefix(a.Address, "unix:") {
		return a.users()
	}
	var nets []netip.Prefix
	for _, text := range a.AllowPeers {
		p, err := netip.ParsePrefix(text)
		if addr, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("admin endpoint: allow_peers: %q is neither an address nor a network", text)
		}
		nets = append(nets, p)
	}
	return func(c net.Conn) bool {
		peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
		addr := peer.Addr().Unmap().WithZone("")
		return err == nil && slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(addr) })
	}, nil
}

// users compiles AllowPeers of a Unix socket. Root and we ourselves may always.
func (a Address) users() (func(net.Conn) bool, error) {
	uids := []int{0, os.Getuid()}
	for _, name := range a.AllowPeers {
		uid, err := accounts.User(name)
		if err != nil {
			return nil, fmt.Errorf("admin endpoint: allow_peers: %w", err)
		}
		uids = append(uids, uid)
	}
	return func(c net.Conn) bool {
		uid, err := peerUID(c)
		return err == nil && slices.Contains(uids, uid)
	}, nil
}

func peerUID(c net.Conn) (uid int, err error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	return uid, errors.Join(cerr, err)
}
