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
	"syscall"
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
	if _, err := bind(spec, false); err == nil {
		t.Error("a living stranger's socket was taken")
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	l, err := bind(spec, false)
	if err != nil {
		t.Fatal("a dead socket:", err)
	}
	os.Remove(path)
	os.WriteFile(path, nil, 0o600) // somebody else's by now
	l.close()
	if _, err := os.Stat(path); err != nil {
		t.Error("a file that is not ours was removed")
	}
	if _, err := bind(spec, false); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a plain file: %v", err)
	}
	long := Listener{Worker: handoff.Listener{Address: "unix:" + filepath.Join(dir, strings.Repeat("x", 120))}}
	if _, err := bind(long, false); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("a long path: %v", err)
	}
	exact := Listener{Worker: handoff.Listener{Address: "unix:" + filepath.Join(dir, strings.Repeat("x", 107-len(dir)-1))}}
	if l, err := bind(exact, false); err != nil {
		t.Errorf("a path of 107 bytes: %v", err)
	} else {
		l.close()
	}
	tcp := Listener{Worker: handoff.Listener{Address: "127.0.0.1:0"}}
	l, err = bind(tcp, true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	sa, _ := unix.Getsockname(l.fd)
	tcp.Worker.Address = fmt.Sprint("127.0.0.1:", sa.(*unix.SockaddrInet4).Port)
	if _, err := bind(tcp, false); !errors.As(err, new(*InUseError)) {
		t.Errorf("a port in use: %v", err)
	}
	inherited := Listener{Worker: handoff.Listener{Address: fmt.Sprint("fd://", l.fd)}}
	l2, err := bind(inherited, false)
	if err != nil {
		t.Fatal(err)
	}
	l2.close()
	if _, err := bind(Listener{Worker: handoff.Listener{Address: "fd://0"}}, false); err == nil {
		t.Error("descriptor 0 is no listening socket")
	}
}

func TestCrashIsExplained(t *testing.T) {
	t.Parallel()
	v := serve(t, realConfig(t, ""))
	v.allReady(2)
	pid := v.status().Workers[0].PID
	stuck := make(chan error, 1)
	go func() {
		_, err := v.get("60")
		stuck <- err
	}()
	v.eventually("a request in flight", func() bool {
		snap := v.status()
		return len(snap.Workers[0].InFlight)+len(snap.Workers[1].InFlight) == 1
	})
	for _, w := range v.status().Workers {
		if len(w.InFlight) == 1 {
			pid = w.PID
		}
	}
	syscall.Kill(pid, syscall.SIGKILL)
	if err := <-stuck; err == nil {
		t.Error("an answer from a killed worker")
	}
	v.eventually("a report", func() bool { return len(v.status().Deaths) == 1 })
	v.allReady(2)
	d := v.status().Deaths[0]
	if d.PID != pid || d.Signal != syscall.SIGKILL || d.By != ByOther || d.Reason != Killed || len(d.InFlight) != 1 || d.InFlight[0].Path != "GET 60" {
		t.Errorf("death %+v", d)
	}
}

func TestStuckRequestIsKilled(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "")
	cfg.Timeout = 500 * time.Millisecond
	cfg.Settings = []byte(`{"timeout":"500ms","graceful_timeout":"3s"}`)
	cfg.AccessLog = filepath.Join(cfg.RunDir, "access")
	cfg.AccessLine = func(v Victim) []byte { return fmt.Appendf(nil, "%s %s %s\n", v.Method, v.Path, v.Reason) }
	v := serve(t, cfg)
	v.allReady(2)
	if _, err := v.get("60"); err == nil {
		t.Error("an answer")
	}
	v.eventually("a report", func() bool { return len(v.status().Deaths) == 1 })
	v.allReady(2)
	d := v.status().Deaths[0]
	if d.Reason != TimedOut || d.By != ByUs || !strings.Contains(v.log.String(), "stacks of timed out") {
		t.Errorf("death %+v\n%s", d, v.log)
	}
	line, err := os.ReadFile(cfg.AccessLog)
	if err != nil || string(line) != "GET GET 60 timed out\n" {
		t.Errorf("access log %q, %v", line, err)
	}
}

// Fifty neighbours of a stuck request are all answered before its worker dies.
func TestNeighboursOfAStuckRequest(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "")
	cfg.Workers = 1
	cfg.GracefulTimeout = 15 * time.Second
	cfg.Timeout = 500 * time.Millisecond
	cfg.Settings = []byte(`{"timeout":"500ms","graceful_timeout":"15s"}`)
	v := serve(t, cfg)
	neighbours := make(chan error, 50)
	for range cap(neighbours) {
		go func() {
			_, err := v.get("5 unlimited")
			neighbours <- err
		}()
	}
	v.eventually("all neighbours", func() bool { return len(v.status().Workers[0].InFlight) == cap(neighbours) })
	stuck := make(chan error, 1)
	go func() {
		_, err := v.get("60")
		stuck <- err
	}()
	for range cap(neighbours) {
		if err := <-neighbours; err != nil {
			t.Error("a neighbour:", err)
		}
	}
	if err := <-stuck; err == nil {
		t.Error("the stuck request was answered")
	}
	v.eventually("a report", func() bool { return len(v.status().Deaths) == 1 })
	if d := v.status().Deaths[0]; d.Reason != TimedOut || d.Requests != 50 || len(d.InFlight) != 1 {
		t.Errorf("death %+v", d)
	}
}

func TestStoppedWorkerIsFound(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "")
	v := serve(t, cfg)
	v.allReady(2)
	pid := v.status().Workers[0].PID
	syscall.Kill(pid, syscall.SIGSTOP)
	v.eventually("the stopped one is gone", func() bool { return len(v.status().Deaths) == 1 })
	v.allReady(2)
	if d := v.status().Deaths[0]; d.Reason != Silent || d.By != ByUs || !strings.Contains(d.Why, "SIGSTOP") || d.PID != pid {
		t.Errorf("death %+v", d)
	}
}

func TestDrainIsEnforced(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "stubborn")
	cfg.GracefulTimeout = 300 * time.Millisecond
	cfg.Settings = []byte(`{"graceful_timeout":"300ms"}`)
	v := serve(t, cfg)
	v.allReady(2)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.eventually("the stubborn are gone", func() bool { return v.status().DeathCount[Reloaded] == 2 })
	v.allReady(2)
}

func TestOutput(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "flood")
	v := serve(t, cfg)
	v.allReady(2)
	v.eventually("output in the log", func() bool { return strings.Contains(v.log.String(), "xxxx") })
	if _, err := v.get("0"); err != nil {
		t.Error(err)
	}
	v.s.Stop(context.Background(), false)
	if err := <-v.done; err != nil {
		t.Error(err)
	}
}

func TestChildrenOfWorkersAreEnded(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "children")
	v := serve(t, cfg)
	v.allReady(2)
	var groups []int
	for _, w := range v.status().Workers {
		groups = append(groups, w.PID)
	}
	v.s.Stop(context.Background(), false)
	if err := <-v.done; err != nil {
		t.Error(err)
	}
	for _, pid := range groups {
		if err := syscall.Kill(-pid, 0); err != syscall.ESRCH {
			t.Errorf("group %d is still there: %v", pid, err)
		}
	}
}

func TestReopenAndStacks(t *testing.T) {
	cfg := realConfig(t, "")
	cfg.AccessLog = filepath.Join(cfg.RunDir, "access")
	v := serve(t, cfg)
	v.allReady(2)
	os.Rename(cfg.AccessLog, cfg.AccessLog+".1")
	if err := v.s.Reopen(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.eventually("both wrote into the new file", func() bool {
		b, _ := os.ReadFile(cfg.AccessLog)
		return string(b) == "reopened\nreopened\n"
	})
	text, err := v.s.Stacks(context.Background(), 1)
	if err != nil || string(text) != "stacks of " {
		t.Errorf("Stacks() = %q, %v", text, err)
	}
	if _, err := v.s.Stacks(context.Background(), 7); err == nil {
		t.Error("stacks of nobody")
	}
}

func TestExecAndFastCGIKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{KindExec, KindFastCGI} {
		cfg := realConfig(t, "")
		cfg.App.Kind = kind
		cfg.App.Env = []string{"APPD_TEST=" + string(kind), "PHP_FCGI_CHILDREN=4"}
		cfg.App.ReadyAfter = 200 * time.Millisecond
		cfg.Self, cfg.ExecVerb = []string{os.Args[0]}, execVerb
		if kind == KindExec {
			cfg.App.ReadyAfter = time.Hour // it says so
		}
		v := serve(t, cfg)
		v.allReady(2)
		for gen := 1; gen < 3; gen++ {
			c, err := net.Dial("unix", v.socket)
			if err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(c).ReadString('\n')
			c.Close()
			if err != nil || !strings.Contains(line, fmt.Sprint("gen ", gen)) {
				t.Errorf("%s: %q, %v", kind, line, err)
			}
			if v.nonblocking() == (kind == KindFastCGI) {
				t.Errorf("%s: non-blocking %v", kind, v.nonblocking())
			}
			if err := v.s.Reload(context.Background()); err != nil {
				t.Fatal(err)
			}
			v.allReady(2)
		}
	}
}

// descriptors counts ours.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Reloads and crashes of real processes leave no descriptor and no zombie. make soak
// runs ten thousand of them.
func TestNothingIsLeft(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	if os.Getenv("APPD_SOAK") != "" {
		rounds = 10_000
	}
	v := serve(t, realConfig(t, ""))
	v.allReady(2)
	soak(t, v, 5)
	before, children0 := descriptors(t), len(children())
	soak(t, v, rounds)
	v.eventually("as many descriptors as before", func() bool { return descriptors(t) <= before })
	if n := len(children()); n > children0 {
		t.Errorf("%d children, %d before", n, children0)
	}
	if _, err := v.get("0"); err != nil {
		t.Error(err)
	}
}

// soak reloads and kills in turn.
func soak(t *testing.T, v *service, rounds int) {
	t.Helper()
	for i := range rounds {
		if i%2 == 0 {
			if err := v.s.Reload(context.Background()); err != nil {
				t.Fatal(err)
			}
		} else {
			w := v.status().Workers
			syscall.Kill(w[i/2%len(w)].PID, syscall.SIGKILL)
		}
	}
	v.allReady(2)
}

// A reload that names other logs gives them to the new workers; one that cannot be
// opened refuses it.
func TestReloadChangesLogs(t *testing.T) {
	cfg := realConfig(t, "")
	other := cfg
	other.AccessLog = filepath.Join(cfg.RunDir, "access")
	other.Load = func(context.Context) (Config, error) { return other, nil }
	cfg.Load = other.Load
	v := serve(t, cfg)
	v.allReady(2)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.allReady(2)
	for _, w := range v.status().Workers {
		list, _ := filepath.Glob(fmt.Sprint("/proc/", w.PID, "/fd/*"))
		if !slices.ContainsFunc(list, func(fd string) bool {
			to, _ := os.Readlink(fd)
			return to == other.AccessLog
		}) {
			t.Errorf("worker %d does not have the log", w.Slot)
		}
	}
	other.AccessLog = filepath.Join(cfg.RunDir, "nowhere", "access")
	if err := v.s.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("Reload() = %v", err)
	}
	v.allReady(2)
}
