package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// What a reload changes about a listener and the name counts when the reload
// succeeded, and not when it was refused.
func TestReloadChangesAttributes(t *testing.T) {
	cfg := realConfig(t, "")
	next := cfg
	next.Listeners = []Listener{cfg.Listeners[0]}
	next.Listeners[0].Mode, next.Listeners[0].Backlog = 0o600, 77
	next.Listeners[0].Worker.Protocol = "fastcgi"
	next.App.Name = "renamed"
	broken := next
	broken.App.Env = []string{"APPD_TEST=worker", "BEHAVE=die"}
	configs := []Config{broken, next}
	cfg.Load = func(context.Context) (Config, error) {
		c := configs[0]
		configs = configs[1:]
		return c, nil
	}
	v := serve(t, cfg)
	v.allReady(2)
	check := func(mode os.FileMode, backlog int, protocol, name string) {
		t.Helper()
		if title, err := os.ReadFile("/proc/self/cmdline"); err != nil || !strings.Contains(string(title), "appd: supervisor ["+name+"]") {
			t.Errorf("title %q, %v, want the name %s", title, err, name)
		}
		st, err := os.Stat(v.socket)
		l := v.status().Listeners[0]
		if err != nil || st.Mode().Perm() != mode || l.Limit != backlog || l.Protocol != protocol {
			t.Errorf("%v, listener %+v, want %o, %d and %s", st.Mode(), l, mode, backlog, protocol)
		}
	}
	if err := v.s.Reload(context.Background()); err == nil {
		t.Error("the broken reload succeeded")
	}
	check(0o660, 2048, "http", cfg.App.Name)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	check(0o600, 77, "fastcgi", "renamed")
}

// Reloads bind new listeners before the canary and drop old ones afterwards.
func TestReloadChangesListeners(t *testing.T) {
	cfg := realConfig(t, "")
	second := cfg
	path := filepath.Join(cfg.RunDir, "t")
	second.Listeners = []Listener{{Worker: handoff.Listener{Address: "unix:" + path}, Mode: 0o600}, {Worker: handoff.Listener{Address: "127.0.0.1:0"}}}
	cfg.Load = func(context.Context) (Config, error) { return second, nil }
	v := serve(t, cfg)
	v.allReady(2)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.allReady(2)
	if _, err := os.Lstat(v.socket); !errors.Is(err, os.ErrNotExist) {
		t.Error("the old socket is still there")
	}
	v.socket = path
	if line, err := v.get("0"); err != nil || !strings.Contains(line, "gen 2") {
		t.Errorf("got %q, %v", line, err)
	}
	snap := v.status()
	if len(snap.Listeners) != 2 || snap.Listeners[0].Queue != 0 || snap.Listeners[0].Limit != 2048 || snap.Listeners[1].Queue != 0 {
		t.Errorf("listeners %+v", snap.Listeners)
	}
}

func TestPathOwnership(t *testing.T) {
	v := serve(t, realConfig(t, ""))
	cfg := v.cfg
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(context.Background())
	if used, ok := errors.AsType[*InUseError](err); !ok || used.Owner != os.Getpid() || ExitStatus(err) != ExitFailed {
		t.Errorf("a second one on the same path: %v", err)
	}
	if _, err := v.get("0"); err != nil {
		t.Error("the first one was disturbed:", err)
	}

	dir := t.TempDir()
	path := filepath.Join(dir, "stale")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	spec := Listener{Worker: handoff.Listener{Address: "unix:" + path}}
	if _, err := bind(named(spec), false); err == nil {
		t.Error("a living stranger's socket was taken")
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	l, err := bind(named(spec), false)
	if err != nil {
		t.Fatal("a dead socket:", err)
	}
	os.Remove(path)
	os.WriteFile(path, nil, 0o600) // somebody else's by now
	l.close()
	if _, err := os.Stat(path); err != nil {
		t.Error("a file that is not ours was removed")
	}
	if _, err := bind(named(spec), false); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a plain file: %v", err)
	}
	long := Listener{Worker: handoff.Listener{Address: "unix:" + filepath.Join(dir, strings.Repeat("x", 120))}}
	if _, err := bind(named(long), false); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("a long path: %v", err)
	}
	exact := Listener{Worker: handoff.Listener{Address: "unix:" + filepath.Join(dir, strings.Repeat("x", 107-len(dir)-1))}}
	if l, err := bind(named(exact), false); err != nil {
		t.Errorf("a path of 107 bytes: %v", err)
	} else {
		l.close()
	}
	tcp := Listener{Worker: handoff.Listener{Address: "127.0.0.1:0"}}
	l, err = bind(named(tcp), true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	sa, _ := unix.Getsockname(l.fd)
	tcp.Worker.Address = fmt.Sprint("127.0.0.1:", sa.(*unix.SockaddrInet4).Port)
	if _, err := bind(named(tcp), false); !errors.As(err, new(*InUseError)) {
		t.Errorf("a port in use: %v", err)
	}
	inherited := Listener{Worker: handoff.Listener{Address: fmt.Sprint("fd://", l.fd)}}
	l2, err := bind(named(inherited), false)
	if err != nil {
		t.Fatal(err)
	}
	l2.close()
	if _, err := bind(named(Listener{Worker: handoff.Listener{Address: "fd://0"}}), false); err == nil {
		t.Error("descriptor 0 is no listening socket")
	}
}
