package supervisor

import (
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
	holders := func() (pids []int) {
		for _, pid := range p.everybody() {
			list, _ := filepath.Glob(fmt.Sprint("/proc/", pid, "/fd/*"))
			if slices.ContainsFunc(list, func(fd string) bool {
				to, _ := os.Readlink(fd)
				return to == stray.Name()
			}) {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	// A worker has it too between its fork and its exec.
	p.eventually("it is the supervisor's alone", func() bool { return slices.Equal(holders(), []int{p.cmd.Process.Pid}) })
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	<-p.exited
}

// A second supervisor with the same pidfile refuses.
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
