package supervisor

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

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

// A keeper that died is replaced at once; nobody is ended for it, and everybody when the
// supervisor is killed.
func TestAnotherKeeper(t *testing.T) {
	t.Parallel()
	p := startProgram(t, programConfig{Kind: KindExec, Env: []string{"BEHAVE=children"}}, nil)
	p.eventually("workers, their children and the keeper", func() bool { return len(p.everybody()) >= 8 })
	time.Sleep(time.Second) // one that lived for less is not replaced
	first := p.keeper(t)
	syscall.Kill(first, syscall.SIGKILL)
	p.eventually("another keeper", func() bool { return p.says("the keeper ended") == 1 && p.keeper(t) != first })
	if n := p.says("worker died"); n > 0 {
		t.Errorf("%d workers died with the keeper\n%s", n, p.out)
	}
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL)
	p.eventually("nobody is left", func() bool { return len(p.everybody()) == 0 })
}

// keeper is the pid of p's keeper.
func (p *program) keeper(t *testing.T) int {
	t.Helper()
	found := 0
	p.eventually("a keeper", func() bool {
		for _, pid := range p.everybody() {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(text), keeperWord) {
				found = pid
			}
		}
		return found != 0
	})
	return found
}
