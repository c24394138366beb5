package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// longEnough is how long a test waits for what must come: long enough for a machine
// that is slow and busy.
const longEnough = time.Minute

// service is a supervisor in this process with real workers.
type service struct {
	t      *testing.T
	s      *Supervisor
	cfg    Config
	socket string
	log    *lockedBuffer
	ready  chan struct{}
	done   chan error
}

// lockedBuffer is a log that tests can read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// realConfig is a configuration for workers of the given behaviour.
func realConfig(t *testing.T, behave string) Config {
	t.Helper()
	dir := t.TempDir()
	return Config{
		Workers:         2,
		CaptureOutput:   true,
		RunDir:          dir,
		GracefulTimeout: 20 * time.Second,
		BootTimeout:     longEnough,
		Settings:        []byte(`{"graceful_timeout":"20s"}`),
		Listeners:       []Listener{{Worker: handoff.Listener{Address: "unix:" + filepath.Join(dir, "s"), Protocol: "http"}}},
		App:             App{Name: "test", Kind: KindGo, Command: []string{os.Args[0]}, Umask: -1, Env: []string{"APPD_TEST=worker", "BEHAVE=" + behave}},
	}
}

// serve runs cfg until the test ends; it waits for the first worker.
func serve(t *testing.T, cfg Config) *service {
	t.Helper()
	v := begin(t, cfg)
	select {
	case <-v.ready:
	case err := <-v.done:
		t.Fatalf("Run() = %v\n%s", err, v.log)
	case <-time.After(longEnough):
		t.Fatalf("not ready\n%s", v.log)
	}
	return v
}

func begin(t *testing.T, cfg Config) *service {
	t.Helper()
	v := &service{t: t, log: &lockedBuffer{}, ready: make(chan struct{}), done: make(chan error, 1)}
	cfg.Log = hclog.New(&hclog.LoggerOptions{Output: v.log, Level: hclog.Debug})
	cfg.OnReady = func() { close(v.ready) }
	v.cfg, v.socket = cfg, strings.TrimPrefix(cfg.Listeners[0].Worker.Address, "unix:")
	var err error
	if v.s, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.done <- v.s.Run(context.Background())
	}()
	t.Cleanup(func() {
		v.s.Stop(context.Background(), false)
		select {
		case <-ended:
		case <-time.After(longEnough):
			t.Errorf("Run does not end\n%s", v.log)
		}
	})
	return v
}

// get sends a request on a connection of its own.
func (v *service) get(seconds string) (string, error) {
	c, err := net.Dial("unix", v.socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return ask(c, seconds)
}

func ask(c net.Conn, seconds string) (string, error) {
	c.SetDeadline(time.Now().Add(longEnough))
	if _, err := fmt.Fprintf(c, "GET %s\n", seconds); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

// eventually polls until f says true: the only way to wait for other processes.
func (v *service) eventually(what string, f func() bool) {
	v.t.Helper()
	for end := time.Now().Add(longEnough); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("never: %s\n%s", what, v.log)
		}
	}
}

func (v *service) status() Snapshot {
	v.t.Helper()
	snap, err := v.s.Status(context.Background())
	if err != nil {
		v.t.Fatal(err)
	}
	return snap
}

// states of the workers in order.
func (v *service) states() (list []string) {
	for _, w := range v.status().Workers {
		list = append(list, w.State)
	}
	return list
}

func (v *service) allReady(n int) {
	v.t.Helper()
	v.eventually(fmt.Sprint(n, " ready workers"), func() bool {
		s := v.states()
		return len(s) == n && !slices.ContainsFunc(s, func(st string) bool { return st != "ready" })
	})
}

func (v *service) nonblocking() bool {
	flags, err := unix.FcntlInt(uintptr(v.s.listeners[0].fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0
}

func TestServeReloadStop(t *testing.T) {
	v := serve(t, realConfig(t, ""))
	v.allReady(2)
	if !v.nonblocking() {
		t.Error("the listener is blocking after a spawn")
	}
	if line, err := v.get("0"); err != nil || !strings.Contains(line, "gen 1") {
		t.Errorf("got %q, %v", line, err)
	}
	st, err := os.Stat(v.socket)
	if err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("socket %v, %v", st, err)
	}
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.allReady(2)
	if line, err := v.get("0"); err != nil || !strings.Contains(line, "gen 2") {
		t.Errorf("got %q, %v", line, err)
	}
	if !v.nonblocking() {
		t.Error("the listener is blocking after a reload")
	}
	v.s.Stop(context.Background(), false)
	if err := <-v.done; err != nil {
		t.Error(err)
	}
	for _, name := range []string{v.socket, v.socket + ".lock", v.socket + ".new"} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind", name)
		}
	}
}

// A kept connection outlives its worker: the idle ones are adopted, requests in
// flight are finished first.
func TestKeptConnectionsSurviveReloads(t *testing.T) {
	t.Parallel()
	v := serve(t, realConfig(t, ""))
	v.allReady(2)
	var conns []net.Conn
	for range 10 {
		c, err := net.Dial("unix", v.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := ask(c, "0"); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	slow := make(chan error, 1)
	go func() {
		_, err := v.get("0.5")
		slow <- err
	}()
	for gen := 2; gen < 5; gen++ {
		if err := v.s.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		v.allReady(2)
		for i, c := range conns {
			if line, err := ask(c, "0"); err != nil || !strings.Contains(line, fmt.Sprint("gen ", gen)) {
				t.Fatalf("generation %d, connection %d: %q, %v\n%s", gen, i, line, err, v.log)
			}
		}
	}
	if err := <-slow; err != nil {
		t.Error("request in flight:", err)
	}
}

func TestRealBootFailures(t *testing.T) {
	t.Parallel()
	for behave, want := range map[string]string{"die": "exit status 9", "hang": "not ready after 300ms", "mute": "not ready after 300ms"} {
		cfg := realConfig(t, behave)
		if behave != "die" {
			cfg.BootTimeout = 300 * time.Millisecond
		}
		v := begin(t, cfg)
		err := <-v.done
		boot, ok := errors.AsType[*BootError](err)
		if !ok || !strings.Contains(boot.Reason, want) {
			t.Errorf("%s: Run() = %v\n%s", behave, err, v.log)
			continue
		}
		if behave == "die" && !slices.Contains(boot.Output, "cannot find the database") {
			t.Errorf("output %q", boot.Output)
		}
		if _, err := os.Lstat(v.socket); err == nil {
			t.Error("the socket is left behind")
		}
	}
}

func TestBrokenProgram(t *testing.T) {
	cfg := realConfig(t, "")
	cfg.App.Command = []string{"./no-such-program"}
	v := begin(t, cfg)
	if err := <-v.done; ExitStatus(err) != ExitBoot || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("Run() = %v", err)
	}
}

func TestARefusedReloadShowsTheOutput(t *testing.T) {
	cfg := realConfig(t, "")
	bad := cfg
	bad.App.Env = []string{"APPD_TEST=worker", "BEHAVE=die"}
	cfg.Load = func(context.Context) (Config, error) { return bad, nil }
	v := serve(t, cfg)
	v.allReady(2)
	err := v.s.Reload(context.Background())
	refusal, ok := errors.AsType[*ReloadError](err)
	if !ok || !strings.Contains(refusal.Reason, "exit status 9") || !slices.Contains(refusal.Output, "cannot find the database") {
		t.Errorf("Reload() = %#v", err)
	}
	v.allReady(2)
	if line, err := v.get("0"); err != nil || !strings.Contains(line, "gen 1") {
		t.Errorf("got %q, %v", line, err)
	}
}
