package handoff

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func nonblocking(t *testing.T, l syscall.Conn) (on bool) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		if err != nil {
			t.Fatal(err)
		}
		on = flags&unix.O_NONBLOCK != 0
	})
	return on
}

// The flag is one for all processes that hold the listener: no step of spawning a
// child may clear it, not even for a moment.
func TestInheritKeepsListenersNonBlocking(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn := l.(*net.UnixListener)
	f, err := Inherit(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/bin/true")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !nonblocking(t, conn) {
		t.Error("the listener blocks after a spawn")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	fd, err := Duplicate(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("duplicate: flags %#x, %v, want close-on-exec", flags, err)
	}
}

// The reason for Inherit: if this fails, Go has changed, and Inherit may go.
func TestFileClearsNonBlocking(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn := l.(*net.UnixListener)
	f, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/bin/true")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if nonblocking(t, conn) {
		t.Error("File and exec keep listeners non-blocking: go.dev/issue/29277 is solved")
	}
}

func TestLoad(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd, err := unix.Dup(int(w.Fd())) // without close-on-exec, as after an exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)

	if h, err := Load(); h != nil || err != nil {
		t.Errorf("Load() without the variable = %v, %v", h, err)
	}
	text, err := (&Handoff{Version: Version, Name: "shop", Slot: 2, Scoreboard: fd}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(Env, text)
	h, err := Load()
	if err != nil || h.Name != "shop" || h.Slot != 2 {
		t.Fatalf("Load() = %+v, %v", h, err)
	}
	if _, still := os.LookupEnv(Env); still {
		t.Error("children of the application would inherit the variable")
	}
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("children of the application would inherit the descriptor")
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{"version":`, "APPD_HANDOFF"},
		{`{"version":1,"control":-3}`, "-3"},
		{`{"version":1,"control":654321}`, "not open"},
		{`{"version":9,"slot":"what is this"}`, "version 9"},
		{`{"version":0}`, "newer appd"},
	} {
		t.Setenv(Env, test.text)
		h, err := Load()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Load() of %s = %v, %v, want an error with %q", test.text, h, err, test.want)
		}
	}
}

func TestCompatible(t *testing.T) {
	for _, test := range []struct {
		supervisor, worker int
		want               string
	}{
		{3, 3, ""}, {3, 2, ""},
		{3, 1, "newer github.com/appd-server/appd/server"},
		{2, 3, "newer appd"},
		{1, 0, "newer github.com"},
	} {
		err := Compatible(test.supervisor, test.worker)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("Compatible(%d, %d) = %v, want %q", test.supervisor, test.worker, err, test.want)
		}
	}
}
