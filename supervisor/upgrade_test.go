package supervisor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

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
	said := drainNotify(t, notify)
	for _, want := range []string{"READY=1", fmt.Sprintf("MAINPID=%d", pid), "STOPPING=1"} {
		if !strings.Contains(said, want) {
			t.Errorf("the service manager heard %q, want %s", said, want)
		}
	}
}

// drainNotify returns what has been said.
func drainNotify(t *testing.T, c *net.UnixConn) (text string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1000)
	raw.Control(func(fd uintptr) {
		for {
			n, err := unix.Read(int(fd), b)
			if err != nil {
				return
			}
			text += string(b[:n]) + "\n"
		}
	})
	return text
}

func TestUpgradeRollsBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	os.WriteFile(broken, []byte("die"), 0o600)
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

// A new supervisor that does not even notice that it is unwanted is killed: it shares
// the sockets and their locks.
func TestAStoppedSuccessorIsKilled(t *testing.T) {
	t.Parallel()
	p := startProgram(t, programConfig{}, func(c *exec.Cmd) { c.Env = append(c.Env, "STOP_UPGRADE=1") })
	p.workersServe(2)
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGUSR2)
	p.eventually("the new one stands still", func() bool { return p.says("supervisor stopped") == 1 })
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	if err := <-p.exited; err != nil {
		t.Error(err)
	}
	p.eventually("nobody is left", func() bool { return len(p.everybody()) == 0 })
}
