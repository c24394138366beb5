package supervisor

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
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

	"golang.org/x/sys/unix"
)

// program is a supervisor in a process of its own.
type program struct {
	t      *testing.T
	cfg    programConfig
	socket string
	cmd    *exec.Cmd
	out    *lockedBuffer
	exited chan error
}

// startProgram starts one and waits until it serves. change may edit the command.
func startProgram(t *testing.T, cfg programConfig, change func(*exec.Cmd)) *program {
	t.Helper()
	p := launchProgram(t, cfg, change)
	p.eventually("it serves", func() bool { return strings.Contains(p.out.String(), "supervisor ready") })
	return p
}

func launchProgram(t *testing.T, cfg programConfig, change func(*exec.Cmd)) *program {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Kind == "" {
		cfg.Kind = KindGo
	}
	if cfg.Address == nil {
		cfg.Address = []string{"unix:" + filepath.Join(cfg.Dir, "s")}
	}
	cfg.Workers = max(cfg.Workers, 2)
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, cfg: cfg, socket: strings.TrimPrefix(cfg.Address[0], "unix:"), out: &lockedBuffer{}, exited: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "APPD_TEST=supervisor", "SUPERVISOR="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if change != nil {
		change(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() { // whatever is left of the session
		for _, pid := range p.everybody() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return p
}

// everybody lists the processes that carry our configuration in their environment,
// wherever they went.
func (p *program) everybody() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ")
		if err != nil || !strings.Contains(string(env), p.cfg.Dir) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if f := statFields(pid); len(f) > 0 && f[0] != "Z" {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (p *program) eventually(what string, f func() bool) {
	p.t.Helper()
	for end := time.Now().Add(longEnough); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("never: %s\n%s", what, p.out)
		}
	}
}

func (p *program) get(seconds string) (string, error) {
	c, err := net.Dial("unix", p.socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return ask(c, seconds)
}

// says counts how often a text was printed.
func (p *program) says(text string) int { return strings.Count(p.out.String(), text) }

// pidOf is the last number behind a text in the output.
func (p *program) pidOf(text string) int {
	out := p.out.String()
	i := strings.LastIndex(out, text)
	if i < 0 {
		return 0
	}
	var pid int
	fmt.Sscan(out[i+len(text):], &pid)
	return pid
}

// workersServe asks until the answers come from n workers.
func (p *program) workersServe(n int) {
	p.t.Helper()
	p.eventually(fmt.Sprint(n, " workers"), func() bool {
		besides := 1 // the supervisor
		if !p.cfg.Kind.contract() {
			besides = 2 // and the keeper
		}
		return len(p.everybody()) == n+besides
	})
}

// hammer keeps asking on fresh and on kept connections until stop is called, which
// returns the failures.
func (p *program) hammer() (stop func() []string) {
	var failures []string
	var mu sync.Mutex
	var wg sync.WaitGroup
	var count atomic.Int64
	quit := make(chan struct{})
	fail := func(err error, line string) {
		mu.Lock()
		defer mu.Unlock()
		failures = append(failures, fmt.Sprintf("%v %q", err, line))
	}
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				if line, err := p.get("0.005"); err != nil {
					fail(err, line)
				}
				count.Add(1)
			}
		})
		wg.Go(func() {
			c, err := net.Dial("unix", p.socket)
			if err != nil {
				fail(err, "dial")
				return
			}
			defer c.Close()
			for {
				select {
				case <-quit:
					return
				default:
				}
				if line, err := ask(c, "0"); err != nil {
					fail(err, line)
					return
				}
				count.Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() []string {
		p.eventually("some more requests", func() bool { return count.Load() > 20 })
		close(quit)
		wg.Wait()
		return failures
	}
}

func TestUpgradeLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	p := startProgram(t, programConfig{Dir: dir, PIDFile: filepath.Join(dir, "pid")}, func(c *exec.Cmd) {
		c.Env = append(c.Env, "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	})
	stop := p.hammer()
	pid := p.cmd.Process.Pid
	const upgrades = 3
	for i := range upgrades {
		syscall.Kill(pid, syscall.SIGUSR2)
		p.eventually("the old one ended", func() bool { return p.says("supervisor ended") == i+1 })
		next := p.pidOf("supervisor ready ")
		if next == pid || p.says(fmt.Sprintf("supervisor ended %d <nil>", pid)) != 1 {
			t.Fatalf("%d follows %d\n%s", next, pid, p.out)
		}
		pid = next
		if b, _ := os.ReadFile(p.cfg.PIDFile); string(b) != fmt.Sprintln(pid) {
			t.Errorf("pidfile %q, want %d", b, pid)
		}
	}
	if failures := stop(); len(failures) > 0 {
		t.Errorf("%d failures: %.500q\n%s", len(failures), failures, p.out)
	}
	syscall.Kill(pid, syscall.SIGTERM)
	p.eventually("nobody is left", func() bool { return len(p.everybody()) == 0 })
	for _, name := range []string{p.socket, p.socket + ".lock", p.cfg.PIDFile} {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
	said := drainNotify(notify)
	for _, want := range []string{"READY=1", fmt.Sprintf("MAINPID=%d", pid), "STOPPING=1"} {
		if !strings.Contains(said, want) {
			t.Errorf("the service manager heard %q, want %s", said, want)
		}
	}
}

func drainNotify(c *net.UnixConn) (text string) {
	b := make([]byte, 1000)
	for {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		n, err := c.Read(b)
		if err != nil {
			return text
		}
		text += string(b[:n]) + "\n"
	}
}

func TestUpgradeRollsBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	os.WriteFile(broken, nil, 0o600)
	p := startProgram(t, programConfig{Dir: dir, PIDFile: filepath.Join(dir, "pid")}, func(c *exec.Cmd) {
		c.Env = append(c.Env, "FAIL_UPGRADE="+broken)
	})
	p.workersServe(2)
	stop := p.hammer()
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGUSR2)
	p.eventually("it failed", func() bool { return p.says("upgrade failed, this appd goes on") == 1 })
	p.workersServe(2)
	if failures := stop(); len(failures) > 0 {
		t.Errorf("failures: %q", failures)
	}
	if b, _ := os.ReadFile(p.cfg.PIDFile); string(b) != fmt.Sprintln(p.cmd.Process.Pid) {
		t.Errorf("pidfile %q", b)
	}
	if !strings.Contains(p.out.String(), "exit status 9") {
		t.Errorf("the reason is missing\n%s", p.out)
	}
	os.Remove(broken)
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGUSR2)
	p.eventually("the next one succeeds", func() bool { return p.says("supervisor ready") == 2 })
}

// A stop of the old one in the middle of an upgrade ends both.
func TestStopDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProgram(t, programConfig{Dir: dir}, func(c *exec.Cmd) {
		c.Env = append(c.Env, "HANG_UPGRADE=1")
	})
	p.workersServe(2)
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGUSR2)
	p.workersServe(5) // three processes more, which do not become ready
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	p.eventually("nobody is left", func() bool { return len(p.everybody()) == 0 })
	if _, err := os.Lstat(p.socket); err == nil {
		t.Error("the socket is left behind")
	}
}

// A supervisor killed with SIGKILL leaves no worker, and the next one takes over
// the path.
func TestDeathOfTheSupervisor(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{KindGo, KindExec, KindFastCGI} {
		p := startProgram(t, programConfig{Kind: kind}, nil)
		p.workersServe(2)
		syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL)
		p.eventually(string(kind)+" workers are gone", func() bool { return len(p.everybody()) == 0 })
		if _, err := os.Lstat(p.socket); err != nil {
			t.Error("the socket should be stale")
		}
		next := startProgram(t, p.cfg, nil)
		c, err := net.Dial("unix", p.socket)
		if err != nil {
			t.Fatal(err)
		}
		if kind == KindGo {
			fmt.Fprintln(c, "GET 0")
		}
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Errorf("%s: %q, %v", kind, line, err)
		}
		c.Close()
		syscall.Kill(next.cmd.Process.Pid, syscall.SIGTERM)
		if err := <-next.exited; err != nil {
			t.Errorf("%s: %v\n%s", kind, err, next.out)
		}
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	p := startProgram(t, programConfig{}, nil)
	pid := p.cmd.Process.Pid
	p.workersServe(2)
	for i := range 3 {
		syscall.Kill(pid, syscall.SIGTTIN)
		p.workersServe(3 + i)
	}
	syscall.Kill(pid, syscall.SIGTTOU)
	p.workersServe(4)
	syscall.Kill(pid, syscall.SIGHUP)
	p.eventually("a reload", func() bool { return p.says("reload done") == 1 })
	p.workersServe(2) // back to the file's number
	for range 20 {    // a burst is one reload, or a few, but none is done twice
		syscall.Kill(pid, syscall.SIGHUP)
	}
	p.eventually("the burst is over", func() bool {
		n := p.says("reload begins")
		return n > 1 && p.says("reload done") == n
	})
	if n := p.says("reload done"); n > 21 {
		t.Errorf("%d reloads for a burst", n)
	}
	p.workersServe(2)
	syscall.Kill(pid, syscall.SIGWINCH) // there is no terminal: setsid
	p.workersServe(0)
	syscall.Kill(pid, syscall.SIGTTIN)
	p.workersServe(2)
	syscall.Kill(pid, syscall.SIGWINCH)
	p.workersServe(0)
	syscall.Kill(pid, syscall.SIGHUP)
	p.workersServe(2)
	begun := time.Now()
	syscall.Kill(pid, syscall.SIGINT)
	if err := <-p.exited; err != nil {
		t.Errorf("%v after %v\n%s", err, time.Since(begun), p.out)
	}
}

// A second supervisor with the same pidfile refuses.
// What the supervisor was started with besides its standard descriptors stays with
// it.
func TestStrayDescriptorsAreNotPassedOn(t *testing.T) {
	t.Parallel()
	stray, err := os.CreateTemp(t.TempDir(), "stray")
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	p := startProgram(t, programConfig{}, func(c *exec.Cmd) { c.ExtraFiles = []*os.File{stray} })
	p.workersServe(2)
	for _, pid := range p.everybody() {
		list, _ := filepath.Glob(fmt.Sprint("/proc/", pid, "/fd/*"))
		holds := slices.ContainsFunc(list, func(fd string) bool {
			to, _ := os.Readlink(fd)
			return to == stray.Name()
		})
		if holds != (pid == p.cmd.Process.Pid) {
			t.Errorf("process %d holds it: %v", pid, holds)
		}
	}
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	<-p.exited
}

func TestSecondInstance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProgram(t, programConfig{Dir: dir, PIDFile: filepath.Join(dir, "pid")}, nil)
	second := launchProgram(t, programConfig{Dir: t.TempDir(), PIDFile: p.cfg.PIDFile}, nil)
	err := <-second.exited
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != ExitFailed || !strings.Contains(second.out.String(), fmt.Sprintf("in use by process %d", p.cmd.Process.Pid)) {
		t.Errorf("%v\n%s", err, second.out)
	}
	if _, err := p.get("0"); err != nil {
		t.Error(err)
	}
}

// A terminal's window changes do not steer the service.
func TestWindowChangeOfATerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	p := startProgram(t, programConfig{}, func(c *exec.Cmd) {
		c.Stdin = terminal
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	})
	p.workersServe(2)
	before := p.everybody()
	for i := range 5 {
		unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(30 + i), Col: 100})
	}
	p.eventually("the signal", func() bool { return p.says("window changed") > 0 })
	if _, err := p.get("0"); err != nil {
		t.Error(err)
	}
	if after := p.everybody(); !slices.Equal(after, before) {
		t.Errorf("processes %v, before %v", after, before)
	}
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	<-p.exited
}

func TestSocketActivation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "activated")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"unix:" + path, "fd://3"} {
		p := startProgram(t, programConfig{Dir: dir, Address: []string{address}}, func(c *exec.Cmd) {
			c.ExtraFiles = []*os.File{f}
			// The shell sets LISTEN_PID to its own pid and becomes the program.
			c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec " + os.Args[0]}
		})
		p.socket = path
		if line, err := p.get("0"); err != nil {
			t.Errorf("%s: %q, %v", address, line, err)
		}
		syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
		if err := <-p.exited; err != nil {
			t.Errorf("%s: %v\n%s", address, err, p.out)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: the service manager's socket was removed", address)
		}
	}
	f.Close()
}

// Children of exec workers go as well when the supervisor is killed, also those
// that ignore TERM.
func TestTheKeeperEndsWholeGroups(t *testing.T) {
	t.Parallel()
	p := startProgram(t, programConfig{Kind: KindExec, Env: []string{"BEHAVE=children"}}, nil)
	p.eventually("workers, their children and the keeper", func() bool { return len(p.everybody()) >= 8 })
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL)
	p.eventually("nobody is left", func() bool { return len(p.everybody()) == 0 })

	q := startProgram(t, programConfig{Kind: KindExec}, nil)
	syscall.Kill(q.cmd.Process.Pid, syscall.SIGTERM)
	if err := <-q.exited; err != nil {
		t.Errorf("%v\n%s", err, q.out)
	}
	if left := q.everybody(); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// As process 1 there is nobody who would reap the old supervisor, and the container
// ends with it: an upgrade is refused. Orphans of anybody are reaped.
func TestProcessOne(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs the right to make a process namespace")
	}
	p := startProgram(t, programConfig{}, func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID}
	})
	if p.pidOf("supervisor ready ") != 1 {
		t.Fatalf("it is not process 1\n%s", p.out)
	}
	if line, err := p.get("0"); err != nil {
		t.Errorf("%q, %v", line, err)
	}
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGUSR2)
	p.eventually("a refusal", func() bool { return p.says("upgrade refused") == 1 })
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	if err := <-p.exited; err != nil {
		t.Errorf("%v\n%s", err, p.out)
	}
}
