package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// memoryCgroup makes a cgroup of so many bytes and returns its folder.
func memoryCgroup(t *testing.T, limit int) string {
	t.Helper()
	for _, c := range []struct{ root, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, // version 1
		{"/sys/fs/cgroup", "memory.max"},                   // version 2
	} {
		dir := filepath.Join(c.root, fmt.Sprint("appd-test-", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { // its processes may still be on their way out
			for end := time.Now().Add(longEnough); errors.Is(os.Remove(dir), syscall.EBUSY) && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
		})
		// The file is there if the folder is a cgroup with that controller; it must not be made.
		f, err := os.OpenFile(filepath.Join(dir, c.file), os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		_, err = fmt.Fprint(f, limit)
		if f.Close(); err == nil {
			os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
			return dir
		}
	}
	t.Skip("no right to make a memory cgroup")
	return ""
}

// The kernel's killer is told from somebody's kill -9.
func TestTheKernelsKillIsNamed(t *testing.T) {
	t.Parallel()
	dir := memoryCgroup(t, 150<<20)
	p := startProgram(t, programConfig{}, func(c *exec.Cmd) {
		c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "echo $$ > " + dir + "/cgroup.procs && exec " + os.Args[0]}
	})
	p.workersServe(2)
	share := fmt.Sprint("GOMEMLIMIT=", 150<<20/10*9/2)
	p.eventually("two workers with "+share, func() bool { // which they have from their exec on
		n := 0
		for _, pid := range p.everybody() {
			if slices.Contains(environ(t, pid), share) {
				n++
			}
		}
		return n == 2
	})
	if _, err := p.get("eat"); err == nil {
		t.Error("an answer")
	}
	p.eventually("a report", func() bool { return p.says("worker died") == 1 })
	out := p.out.String()
	if !strings.Contains(out, `reason="out of memory"`) || !strings.Contains(out, `kernel: out of memory`) {
		t.Errorf("the kernel is not named\n%s", out)
	}
	p.workersServe(2)
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	<-p.exited
}

// A worker that grows is replaced after its request, or killed at once.
func TestWorkersThatGrow(t *testing.T) {
	t.Parallel()
	for reason, r := range map[string]Recycle{"soft": {Memory: 200 << 20}, "hard": {MemoryHard: 200 << 20}} {
		cfg := realConfig(t, "")
		cfg.Recycle = r
		v := serve(t, cfg)
		v.allReady(2)
		c, err := v.get("eat")
		if err != nil && reason == "soft" {
			t.Errorf("%q, %v", c, err)
		}
		v.eventually("it is replaced", func() bool { return v.status().DeathCount[MaxMemory] == 1 })
		v.allReady(2)
		d := v.status().Deaths[0]
		if killed := d.Signal == syscall.SIGKILL; killed != (reason == "hard") {
			t.Errorf("%s: death %+v", reason, d)
		}
		v.s.Stop(context.Background(), false)
		<-v.done
	}
}
