//go:build linux

package eventloop

import (
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// What waits at the listener is accepted when the announcement has been made, and never
// when that failed, by goroutines as by foreign threads.
func TestNobodyIsAcceptedBeforeTheAnnouncement(t *testing.T) {
	for name, serve := range map[string]func(*Exchange){"goroutines": echo, "foreign threads": nil} {
		t.Run(name, func(t *testing.T) {
			for _, refusal := range []error{errors.New("nobody listens"), nil} {
				r := startAnnounced(t, serve, refusal)
				if serve == nil {
					threads(t, r, 1, wholeEcho)
				}
				if refusal == nil {
					until(t, "the connection is accepted", func() bool { return r.board.Counters().Events[handoff.Accepted] == 1 })
				}
			}
		})
	}
}

// startAnnounced starts a loop for which a client waits already.
func startAnnounced(t *testing.T, serve func(*Exchange), refusal error) *rig {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	r := &rig{path: ln.Addr().String(), ln: ln.(*net.UnixListener)}
	r.dial(t)
	if r.Loop, err = New(Config{Settings: handoff.Defaults(), Serve: serve, WholeBody: serve == nil}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	raw, _ := r.ln.SyscallConn()
	raw.Control(func(fd uintptr) { _, err = r.Listen(Listener{FD: int(fd), Protocol: cgi.HTTP}) })
	if err != nil {
		t.Fatal(err)
	}
	err = r.Start(func() error {
		time.Sleep(20 * time.Millisecond) // for whoever may accept too early
		if n := r.board.Counters().Events[handoff.Accepted]; n != 0 {
			t.Errorf("%d connections were accepted before", n)
		}
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("Start() = %v", err)
	}
	return r
}

// However long a worker took until it could start, it shows that it is alive before it
// says that it is ready: whoever hears that looks for the sign soon.
func TestAStartIsASignOfLife(t *testing.T) {
	view, err := handoff.CreateBoard()
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	fd, err := unix.Dup(view.FD())
	if err != nil {
		t.Fatal(err)
	}
	board, err := handoff.OpenBoard(fd)
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Config{Settings: handoff.Defaults(), Board: board, Serve: echo})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	board.Beat(1) // long ago
	err = l.Start(func() error {
		var s handoff.Snapshot
		if err := view.Read(&s, handoff.Now()); err != nil || s.Beat == 1 {
			t.Errorf("the last sign of life: %d, %v", s.Beat, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
