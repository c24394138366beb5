package status

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/supervisor"
)

// TestMain lets the test binary be `appd top`.
func TestMain(m *testing.M) {
	if os.Getenv("APPD_TEST_TOP") == "" {
		os.Exit(m.Run())
	}
	source := new(moving)
	err := Top(context.Background(), os.Stdin, os.Stdout, func(ctx context.Context) (supervisor.Snapshot, error) {
		source.step(time.Second)
		return source.source(ctx)
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func TestScreen(t *testing.T) {
	source := new(moving)
	source.step(time.Second)
	first, _ := source.source(t.Context())
	before := newMoment(first, noon)
	source.step(time.Second)
	second, _ := source.source(t.Context())
	now := newMoment(second, noon.Add(time.Second))
	mark := func(s string) string { return "<" + s + ">" }
	golden(t, "top.txt", strings.Join(screen{110, 40, mark}.lines(before, now), "\n")+"\n")
	for _, size := range [][2]int{{1, 1}, {20, 5}, {80, 24}, {300, 100}} {
		lines := screen{size[0], size[1], func(s string) string { return s }}.lines(before, now)
		if len(lines) > size[1] {
			t.Errorf("%d lines on a screen of %d", len(lines), size[1])
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > size[0] {
				t.Errorf("%d columns on a screen of %d: %q", n, size[0], line)
			}
		}
	}
}

// pseudoTerminal returns both ends of a new terminal.
func pseudoTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// readUntil reads from a terminal until want has come.
func readUntil(t *testing.T, f *os.File, seen *bytes.Buffer, want string) {
	t.Helper()
	p := make([]byte, 4096)
	for !strings.Contains(seen.String(), want) {
		n, err := f.Read(p)
		if err != nil {
			t.Fatalf("%v before %q came; got %q", err, want, seen)
		}
		seen.Write(p[:n])
	}
}

func TestTopInATerminal(t *testing.T) {
	ours, theirs := pseudoTerminal(t)
	before, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "APPD_TEST_TOP=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	watchdog := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer watchdog.Stop()

	var seen bytes.Buffer
	readUntil(t, ours, &seen, enter)
	readUntil(t, ours, &seen, "GET /report?year=2026")
	if err := unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 8, Col: 40}); err != nil {
		t.Fatal(err)
	}
	readUntil(t, ours, &seen, "…\x1b[K") // lines are cut to the smaller width
	if _, err := ours.Write([]byte("xq")); err != nil {
		t.Fatal(err)
	}
	readUntil(t, ours, &seen, leave)
	if err := <-exited; err != nil {
		t.Errorf("top ends with %v", err)
	}
	after, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal was %+v, is %+v, %v", before, after, err)
	}
	theirs.Close()
}

func TestTopWithoutATerminal(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "APPD_TEST_TOP=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if text := string(out); !strings.HasPrefix(text, "shop (go): ready") || !strings.Contains(text, "latency p50") || strings.Contains(text, "\x1b") {
		t.Errorf("got %q", text)
	}
}

func TestTopSaysWhenNothingRuns(t *testing.T) {
	want := errors.New("nothing is running")
	err := Top(t.Context(), os.Stdin, os.Stdout, func(context.Context) (supervisor.Snapshot, error) { return supervisor.Snapshot{}, want })
	if !errors.Is(err, want) {
		t.Errorf("Top() = %v", err)
	}
}
