// Under a service manager: what appd tells it, and the sockets that it hands over.

package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// manager is the notify socket of a service manager that listens.
type manager struct {
	path string
	conn *net.UnixConn
	mu   sync.Mutex
	said []string
}

func newManager(t *testing.T, dir string) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(dir, "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m.conn = conn
	var over sync.WaitGroup
	over.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, string(b[:n]))
			m.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		conn.Close()
		over.Wait()
	})
	return m
}

// await waits until something has been said that holds all of what, after the first
// n messages, and returns how many messages there were up to it.
func (m *manager) await(t *testing.T, n int, what ...string) (upTo int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the manager hears %q", what), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := n; i < len(m.said); i++ {
			if holdsAll(m.said[i], what) {
				upTo = i + 1
				return true
			}
		}
		return false
	})
	return upTo
}

// A whole life under systemd's protocol: socket activation, READY, WATCHDOG,
// RELOADING and READY, MAINPID of an upgrade, STOPPING; the manager's socket stays.
func TestServiceManager(t *testing.T) {
	a := stoppedAppd(t, t.Name())
	m := newManager(t, a.dir)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: a.http(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a.conf = write(t, filepath.Join(a.dir, "appd.hcl"), a.config(t, nil, "workers = 2\n"))
	// The shell puts the listener on descriptor 3, where the manager would.
	a.process = launchWith(t, t.Name()+".appd", file, []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=400000", "LISTEN_FDS=1"},
		"/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", binary(t, "appd"), "-c", a.conf)
	n := m.await(t, 0, "READY=1")
	ok(t, a.http(), "GET", "/whoami", nil)
	n = m.await(t, n, "WATCHDOG=1")
	a.verb(t, "reload")
	n = m.await(t, n, "RELOADING=1", "MONOTONIC_USEC=")
	n = m.await(t, n, "READY=1")
	old := a.status(t).PID
	a.verb(t, "upgrade")
	n = m.await(t, n, "MAINPID=")
	m.mu.Lock()
	said := m.said[n-1]
	m.mu.Unlock()
	if now := a.status(t).PID; now == old || !strings.Contains(said, fmt.Sprintf("MAINPID=%d", now)) {
		t.Errorf("the manager hears %q, and %d serves (before: %d)", said, now, old)
	}
	n = m.await(t, n, "WATCHDOG=1")
	ok(t, a.http(), "GET", "/whoami", nil)
	a.verb(t, "stop")
	m.await(t, n, "STOPPING=1")
	if c, err := net.Dial("unix", a.http()); err != nil {
		t.Errorf("the manager's socket is gone: %v", err)
	} else {
		c.Close()
	}
	eventually(t, "nothing is left", func() bool { return len(a.processes(t)) == 0 && syscall.Kill(old, 0) != nil })
}

// A connection that the front keeps is served through any number of reloads: a POST
// that it sends on it, whenever it does, is answered, by the new code.
func TestKeptConnections(t *testing.T) {
	a := ownAppd(t, nil, "workers = 2\n")
	var kept []*loadClient
	l := &load{t: t, addr: a.http(), pids: map[int]int{}}
	for range 16 {
		kept = append(kept, &loadClient{load: l, kind: 1, kept: true})
	}
	conns := map[*loadClient]net.Conn{}
	for round := range 10 {
		for i, c := range kept {
			if err := c.ask(); err != nil {
				t.Fatalf("round %d, connection %d: %v", round, i, err)
			}
			if conns[c] == nil {
				conns[c] = c.conn
			}
			if c.conn != conns[c] {
				t.Fatalf("round %d, connection %d has been closed", round, i)
			}
		}
		a.verb(t, "reload")
	}
	for _, c := range kept {
		c.hangUp()
	}
}
