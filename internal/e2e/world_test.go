// The world of the tests: programs built once, one appd behind all fronts, and
// what has to be there.

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/ports"
)

// limit bounds every wait. It is long because the machine may be slow and busy, and
// costs nothing where what is waited for happens.
const limit = time.Minute

// pause is the rest between two looks: it leaves the machine to what is waited for.
const pause = 20 * time.Millisecond

// root is the folder of everything; servers that give up root can read it.
var root string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (status int) {
	dir, err := os.MkdirTemp("", "appd-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv("APPD_E2E_KEEP") != "" {
		fmt.Fprintln(os.Stderr, "everything of this run stays in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	root = dir
	status = m.Run()
	cleanups.failed.Store(status != 0)
	cleanups.run()
	left := orphans(false)
	for end := time.Now().Add(10 * time.Second); left != "" && time.Now().Before(end); time.Sleep(pause) {
		left = orphans(false) // some are on their way out
	}
	if left != "" {
		orphans(true)
		fmt.Fprintf(os.Stderr, "processes that a test left behind, and which are killed now:\n%s", left)
	}
	if racing && raced(dir) || left != "" || cleanups.failed.Load() {
		return 1
	}
	return status
}

// orphans is what still runs with a path of root in its arguments or its environment
// once all tests are over. kill ends it, and its process group: nginx's workers have
// neither.
func orphans(kill bool) (list string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		dir := filepath.Dir(file)
		pid, _ := strconv.Atoi(filepath.Base(dir))
		args, _ := os.ReadFile(file)
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if pid != os.Getpid() && strings.Contains(string(args)+string(env), root) {
			list += fmt.Sprintf("%d: %q\n", pid, bytes.ReplaceAll(bytes.TrimRight(args, "\x00"), []byte{0}, []byte{' '}))
			if !kill {
				continue
			}
			if group, err := syscall.Getpgid(pid); err == nil && group != syscall.Getpgrp() {
				syscall.Kill(-group, syscall.SIGKILL)
			}
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return list
}

// raced says whether the race detector found something in appd or the
// application, and shows it.
func raced(dir string) (found bool) {
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return false
	}
	for _, file := range logs {
		text, _ := os.ReadFile(file)
		if _, after, raced := strings.Cut(string(text), "WARNING: DATA RACE"); raced {
			fmt.Fprintf(os.Stderr, "%s: DATA RACE%.6000s\n", file, after)
			found = true
		}
	}
	return found
}

// lasting is a test whose cleanups wait until all tests are over: for what several
// tests share.
type lasting struct{ testing.TB }

// Cleanup implements testing.TB.
func (lasting) Cleanup(f func()) { cleanups.add(f) }

// Failed implements testing.TB for cleanups: the log is wanted if any test failed.
func (lasting) Failed() bool { return cleanups.failed.Load() }

// Logf implements testing.TB for cleanups.
func (lasting) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Error implements testing.TB for cleanups, when the test itself has ended long since.
func (lasting) Error(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	cleanups.failed.Store(true)
}

// cleanups run when all tests are over, last first.
var cleanups stack

type stack struct {
	mu     sync.Mutex
	funcs  []func()
	failed atomic.Bool
}

func (s *stack) add(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.funcs = append(s.funcs, f)
}

func (s *stack) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range slices.Backward(s.funcs) {
		f()
	}
	s.funcs = nil
}

// binaries builds appd and the application once.
var binaries = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(root, "bin")
	cmd := exec.Command("go", "build", "-buildvcs=false", fmt.Sprintf("-race=%v", racing), "-o", dir+string(filepath.Separator),
		"github.com/appd-server/appd/cmd/appd", "github.com/appd-server/appd/internal/e2e/app")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

// pythonEngine builds the engine beside appd, once, with the flags of scripts/build.
var pythonEngine = sync.OnceValue(func() error {
	dir, err := binaries()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s", "-o", filepath.Join(dir, "appd_engine.abi3.so"),
		"github.com/appd-server/appd/server/python/engine")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build -buildmode=c-shared: %w\n%s", err, out)
	}
	return nil
})

// needPython makes appd able to run Python applications.
func needPython(t testing.TB) {
	t.Helper()
	need(t, "python3")
	if err := pythonEngine(); err != nil {
		t.Fatal(err)
	}
}

// binary is the path of appd or of the application.
func binary(t testing.TB, name string) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// need returns the path of a program. Missing, it fails the test, unless
// APPD_TEST_SKIP names it.
func need(t testing.TB, program string) string {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("APPD_TEST_SKIP"), ","), program) {
		t.Skipf("APPD_TEST_SKIP names %s", program)
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed (scripts/install test); to go on without it: APPD_TEST_SKIP=%s", program, program)
	return ""
}

// freePort returns a port of the loopback that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// freeAddr returns an address of the loopback that nobody listens on.
func freeAddr(t testing.TB) string { return "127.0.0.1:" + freePort(t) }

// folder makes a new folder below root, with a number when the name is taken: a test
// may be run again.
func folder(t testing.TB, name string) string {
	t.Helper()
	name = strings.ReplaceAll(name, "/", "-")
	dir := filepath.Join(root, name)
	for n := 2; exists(dir); n++ {
		dir = filepath.Join(root, fmt.Sprintf("%s-%d", name, n))
	}
	return subfolder(t, root, filepath.Base(dir))
}

// subfolder makes a folder inside dir.
func subfolder(t testing.TB, dir, name string) string {
	t.Helper()
	dir = filepath.Join(dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write makes a file below root.
func write(t testing.TB, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// eventually waits until ok says true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(pause) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// noted waits for what the application noted about a request.
func noted(t testing.TB, dir, key, event string) string {
	t.Helper()
	var text []byte
	eventually(t, "the application notes "+event, func() bool {
		var err error
		text, err = os.ReadFile(filepath.Join(dir, key+"."+event))
		return err == nil
	})
	return string(text)
}
