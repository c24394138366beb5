//go:build linux

package eventloop

import (
	"log"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/accesslog"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// lines collects what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines of the access log that a full disk does not take are lost, but not unsaid.
func TestDroppedLinesAreSaid(t *testing.T) {
	format, err := accesslog.Compile("%(m)s %(U)s")
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	fd, err := unix.FcntlInt(full.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	var said lines
	access := accesslog.New(fd, format, accesslog.Worker{}, handoff.Now())
	r := start(t, cgi.HTTP, func(c *Config) { c.Access, c.Log = access, log.New(&said, "", 0) }, echo)
	t.Cleanup(func() { unix.Close(fd) })
	client := r.client()
	defer client.CloseIdleConnections()
	if _, err := client.Get("http://x/lost"); err != nil {
		t.Fatal(err)
	}
	until(t, "a word about it", func() bool {
		return said.String() == "lines of the access log were dropped: 1; nobody reads it, or the disk is full\n"
	})
}
