package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bootAfter has each worker's first process boot or die when its slot says; later ones boot.
func bootAfter(boots, dies map[int]time.Duration) func(*fakeProcess, string) {
	return func(p *fakeProcess, what string) {
		if d, ok := dies[p.order.slot]; ok && what == "start" && p.pid < 100+len(boots)+len(dies) {
			time.Sleep(d)
			p.end(exit{code: p.order.slot + 1})
			return
		}
		if what == "start" {
			time.Sleep(boots[p.order.slot])
		}
		obedient(p, what)
	}
}

// At the first start one worker that boots is enough, however early the others died;
// their slots get workers then.
func TestOneWorkerThatBootsIsEnough(t *testing.T) {
	w := &fakeWorld{behave: bootAfter(map[int]time.Duration{1: 5 * time.Second}, map[int]time.Duration{0: 0, 2: 2 * time.Second})}
	inWorld(t, Config{Workers: 3}, w, func() {
		w.after(4 * time.Second)
		w.want("1/1 starting")
		if slices.Contains(w.notified(), "READY=1") {
			t.Error("ready too early")
		}
		w.after(2 * time.Second)
		w.want("0/1 ready", "1/1 ready", "2/1 ready")
	})
	if w.err != nil {
		t.Errorf("Run() = %v", w.err)
	}
}

// When none boots the last one's end is the end, and the first one's is the reason.
func TestTheFirstDeathIsTheReason(t *testing.T) {
	w := &fakeWorld{behave: bootAfter(nil, map[int]time.Duration{0: 3 * time.Second, 1: time.Second, 2: 2 * time.Second})}
	inWorld(t, Config{Workers: 3}, w, func() {
		w.after(2500 * ms)
		w.want("0/1 starting")
		w.after(time.Second)
	})
	if boot, ok := errors.AsType[*BootError](w.err); !ok || !strings.Contains(boot.Reason, "exit status 2") {
		t.Errorf("Run() = %v", w.err)
	}
	if n := len(w.all()); n != 3 {
		t.Errorf("%d processes were started", n)
	}
}

// An upgrade is refused like a reload: by the first new worker that does not boot, also
// after others have.
func TestAnUpgradeNeedsAllItsWorkers(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken")
	os.WriteFile(broken, []byte("second"), 0o600)
	p := startProgram(t, programConfig{}, func(c *exec.Cmd) { c.Env = append(c.Env, "FAIL_UPGRADE="+broken) })
	p.workersServe(2)
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGUSR2)
	p.eventually("it failed", func() bool { return p.says("upgrade failed, this appd goes on") == 1 })
	if p.says("worker ready") != 3 || !strings.Contains(p.out.String(), "exit status 9") {
		t.Errorf("not because of the second worker\n%s", p.out)
	}
	p.workersServe(2)
}
