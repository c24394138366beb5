// Socket activation: listeners that the service manager opened for us.

package supervisor

import (
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const firstActivated = 3

// activation is what LISTEN_FDS named. A nil activation has nothing.
type activation struct {
	fds   []int // -1 once taken
	names []string
}

// receiveActivation takes the descriptors if they are meant for us. The variables
// go, so that no child takes them for its own.
func receiveActivation() *activation {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, k := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(k)
	}
	n, err := strconv.Atoi(count)
	if p, perr := strconv.Atoi(pid); err != nil || perr != nil || p != os.Getpid() || n <= 0 {
		return nil
	}
	a := &activation{names: strings.Split(names, ":")}
	for fd := firstActivated; fd < firstActivated+n; fd++ {
		unix.CloseOnExec(fd)
		a.fds = append(a.fds, fd)
	}
	return a
}

// listener finds the socket for spec: by the address that it is bound to, or by its
// descriptor or name after fd://.
func (a *activation) listener(spec Listener) *listener {
	if a == nil {
		return nil
	}
	for i, fd := range a.fds {
		if fd < 0 || !a.matches(i, spec.Worker.Address) {
			continue
		}
		a.fds[i] = -1
		return &listener{address: spec.Worker.Address, spec: spec, fd: fd, foreign: true}
	}
	return nil
}

func (a *activation) matches(i int, address string) bool {
	if name, ok := strings.CutPrefix(address, "fd://"); ok {
		return name == strconv.Itoa(a.fds[i]) || i < len(a.names) && name == a.names[i] && name != ""
	}
	sa, err := unix.Getsockname(a.fds[i])
	if err != nil {
		return false
	}
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		return address == "unix:"+sa.Name
	case *unix.SockaddrInet4:
		return sameTCP(address, net.IP(sa.Addr[:]), sa.Port)
	case *unix.SockaddrInet6:
		return sameTCP(address, net.IP(sa.Addr[:]), sa.Port)
	}
	return false
}

// sameTCP compares addresses; all wildcards are alike.
func sameTCP(address string, ip net.IP, port int) bool {
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil || want.Port != port {
		return false
	}
	return want.IP.Equal(ip) || (want.IP == nil || want.IP.IsUnspecified()) && ip.IsUnspecified()
}

// rest closes what no listener asked for and says how many that were.
func (a *activation) rest() (n int) {
	if a == nil {
		return 0
	}
	for i, fd := range a.fds {
		if fd >= 0 {
			unix.Close(fd)
			a.fds[i] = -1
			n++
		}
	}
	return n
}
