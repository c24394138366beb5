// One nginx master process: started by us, or found running.

package nginx

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running nginx master. done is closed when it has ended; status
// may be read from then on.
type process struct {
	pid    int
	handle *os.Process
	done   chan struct{}
	status string
}

// startLimit bounds the time from exec to open sockets. nginx itself tries to
// bind five times, half a second apart.
const startLimit = 15 * time.Second

// spawn starts nginx on the configuration in dir and waits until it has written
// its pid, which it does after its sockets are open. The goroutine that waits
// for the process ends with it.
func spawn(ctx context.Context, program, dir string) (*process, error) {
	pidFile, conf, errorLog := filepath.Join(dir, "nginx.pid"), filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "error.log")
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	said, err := os.Create(filepath.Join(dir, "output.log"))
	if err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	defer said.Close()
	cmd := exec.Command(program, "-c", conf, "-e", errorLog, "-p", dir)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NGINX=") }) // inherited sockets would not be ours
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for appd
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	p := &process{pid: cmd.Process.Pid, handle: cmd.Process, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if err := cmd.Wait(); err != nil {
			p.status = err.Error()
		} else {
			p.status = "exit status 0"
		}
	}()
	if err := p.awaitSockets(ctx, pidFile); err != nil {
		return nil, fmt.Errorf("nginx: does not start: %w: %s", err, cmp.Or(lastLines(said.Name(), 5), lastLines(errorLog, 5)))
	}
	return p, nil
}

// awaitSockets returns nil once the pid file names p. On failure p has ended.
func (p *process) awaitSockets(ctx context.Context, pidFile string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(startLimit)
	for {
		var err error
		select {
		case <-p.done:
			return errors.New(p.status)
		case <-tick.C:
			if readPID(pidFile) == p.pid {
				return nil
			}
			continue
		case <-limit:
			err = fmt.Errorf("not up after %v", startLimit)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		p.handle.Kill()
		<-p.done
		return err
	}
}

// adopt returns the nginx that a predecessor left running on conf, or nil. The
// goroutine that watches it ends with it.
func adopt(pidFile, conf string) *process {
	pid := readPID(pidFile)
	if pid <= 0 || !runs(pid, conf) {
		return nil
	}
	handle, err := os.FindProcess(pid)
	if err != nil || !runs(pid, conf) { // again: the pid may have been reused in between
		return nil
	}
	p := &process{pid: pid, handle: handle, done: make(chan struct{}), status: "not our child, exit status unknown"}
	go func() {
		defer close(p.done)
		awaitStranger(pid)
	}()
	return p
}

// runs says whether pid is an nginx master on the configuration conf: nginx puts
// its command line into its title.
func runs(pid int, conf string) bool {
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.HasPrefix(title, []byte("nginx: master")) && bytes.Contains(title, []byte(conf))
}

// signal sends sig; it is an error when the process has ended.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.handle.Signal(sig); err != nil {
		return fmt.Errorf("nginx: pid %d: %w", p.pid, err)
	}
	return nil
}

// sweep tells the workers of a master that has died to leave: they keep its
// sockets otherwise. They are in the master's process group.
func (p *process) sweep() {
	syscall.Kill(-p.pid, syscall.SIGQUIT)
}

// readPID reads a pid file; 0 when there is no pid in it.
func readPID(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// lastLines returns the last n lines of a log.
func lastLines(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
