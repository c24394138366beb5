package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
	cfg.GracefulTimeout = longEnough
	cfg.Timeout = 500 * time.Millisecond
	cfg.Settings = []byte(`{"timeout":"500ms","graceful_timeout":"1m"}`)
	v := serve(t, cfg)
	gate := filepath.Join(cfg.RunDir, "gate")
	neighbours := make(chan error, 50)
	for range cap(neighbours) {
		go func() {
			_, err := v.get("0 unlimited until " + gate)
			neighbours <- err
		}()
	}
	v.eventually("all neighbours", func() bool { return len(v.status().Workers[0].InFlight) == cap(neighbours) })
	stuck := make(chan error, 1)
	go func() {
		_, err := v.get("60")
		stuck <- err
	}()
	v.eventually("a successor", func() bool { return slices.Equal(v.states(), []string{"draining", "ready"}) })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
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
