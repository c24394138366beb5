//go:build linux

package eventloop

import (
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/protocols/cgi"
)

// pair is a connection that is to be adopted, and the front that holds its other end.
func pair(t *testing.T) (fd int, f *front) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[1]), "front")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return fds[0], newFront(conn)
}

// The mover looks at all connections at any moment, also at one that is just being
// adopted: it sees it whole or not at all.
func TestAdoptWhileMoving(t *testing.T) {
	r := start(t, cgi.FastCGI, func(c *Config) { c.WholeBody = true }, nil)
	threads(t, r, 1, wholeEcho)
	var over atomic.Bool
	var movers sync.WaitGroup
	for range 3 {
		movers.Go(func() {
			for !over.Load() {
				r.Move(0)
			}
		})
	}
	t.Cleanup(func() { over.Store(true); movers.Wait() })
	content := strings.Repeat("x", 40_000)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 150 {
				fd, f := pair(t)
				f.Write(begin(1, "/", len(content)))
				whole := body(1, content)
				f.Write(whole[:20_000])
				if err := r.Adopt(fd, 0, cgi.FastCGI, false); err != nil {
					t.Error(err)
					return
				}
				f.Write(whole[20_000:])
				if got := f.until(t, 1); !strings.HasSuffix(got, content) {
					t.Errorf("the answer is %d bytes", len(got))
					return
				}
				f.Close()
			}
		})
	}
	wg.Wait()
}

// A connection whose bytes make no sense any more in the middle of a body ends, also
// where the request waits for that body and nobody has it.
func TestNonsenseInABody(t *testing.T) {
	r := start(t, cgi.FastCGI, func(c *Config) { c.WholeBody = true }, nil)
	threads(t, r, 1, func(x *Exchange) { t.Error("handed out"); wholeEcho(x) })
	fd, f := pair(t)
	if err := r.Adopt(fd, 0, cgi.FastCGI, false); err != nil {
		t.Fatal(err)
	}
	f.Write(begin(1, "/", 10))
	f.Write(record(5, 1, "hello"))
	f.Write([]byte("no record"))
	if got := f.until(t, 1); !strings.Contains(got, "400") {
		t.Errorf("answered %q", got)
	}
}
