// sd_notify in both directions: to the service manager above us, and from exec
// applications below.

package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// tellManager sends a state to the service manager, if there is one.
func tellManager(state string) { _, _ = daemon.SdNotify(false, state) }

// reloadingState announces a reload; systemd wants the moment with it.
func reloadingState() string {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", ts.Nano()/1000)
}

// watchdog feeds systemd's watchdog. The loop does it, so a stuck loop is found.
func (s *Supervisor) watchdog() {
	if s.watchdogEvery > 0 && time.Since(s.watchdogFed) >= s.watchdogEvery {
		s.watchdogFed = time.Now()
		s.sys.notify("WATCHDOG=1")
	}
}

// watchdogInterval is half of what the service manager allows, 0 without one.
func watchdogInterval() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d / 2
}

// notifySocket takes READY=1 from one exec worker. Its name is abstract, because
// the worker may be another user's process, and the kernel's choice, because process
// numbers are not unique among containers that share a network.
type notifySocket struct {
	address string // for NOTIFY_SOCKET
	conn    *net.UnixConn
	once    sync.Once
}

func newNotifySocket() (*notifySocket, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	return &notifySocket{address: conn.LocalAddr().String(), conn: conn}, nil
}

// await closes said when a READY=1 comes, and returns after it or after close.
func (n *notifySocket) await(said chan<- struct{}) {
	b := make([]byte, 4096)
	for {
		k, _, err := n.conn.ReadFromUnix(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		for line := range bytes.SplitSeq(b[:k], []byte("\n")) {
			if string(line) == "READY=1" {
				close(said)
				return
			}
		}
	}
}

func (n *notifySocket) close() { n.once.Do(func() { n.conn.Close() }) }
