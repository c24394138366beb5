package supervisor

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestHooks(t *testing.T) {
	cfg := realConfig(t, "")
	file := filepath.Join(cfg.RunDir, "hooks")
	for _, on := range []HookPoint{OnStarting, WhenReady, OnReload, NWorkersChanged, PreFork, ChildExit, OnExit} {
		cfg.Hooks = append(cfg.Hooks, Hook{on, []string{"sh", "-c", "echo $APPD_HOOK $APPD_WORKER_ID $APPD_REASON >> " + file}})
	}
	cfg.Hooks = append(cfg.Hooks, Hook{WhenReady, []string{"false"}})
	cfg.HookTimeout = longEnough
	v := serve(t, cfg)
	v.allReady(2)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.allReady(2)
	v.s.Scale(context.Background(), 3)
	v.allReady(3)
	v.s.Stop(context.Background(), false)
	if err := <-v.done; err != nil {
		t.Error(err)
	}
	b, _ := os.ReadFile(file)
	text := string(b)
	for want, n := range map[string]int{
		"on_starting": 1, "when_ready": 1, "on_reload": 1, "nworkers_changed": 1, "on_exit": 1,
		"pre_fork 0": 2, "pre_fork 2": 1, "child_exit 0 reload": 1, "child_exit 2 stopped": 1,
	} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%s ran %d times, want %d\n%s", want, got, n, text)
		}
	}
	if log := v.log.String(); !strings.Contains(log, "hook failed: hook=when_ready") {
		t.Errorf("the failure is not in the log\n%s", log)
	}
}

// A hook that does not end is ended, with its children, and what waited for it goes on.
func TestHookThatHangs(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "")
	cfg.Workers = 1
	cfg.Hooks = []Hook{{PreFork, []string{"sh", "-c", "sleep 3600; true"}}}
	cfg.HookTimeout = 300 * time.Millisecond
	v := serve(t, cfg)
	v.eventually("its failure is in the log", func() bool {
		return strings.Contains(v.log.String(), "hook failed: hook=pre_fork") && strings.Contains(v.log.String(), "not done after 300ms")
	})
}
