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
	once := filepath.Join(cfg.RunDir, "slept")
	cfg.Hooks = append(cfg.Hooks, Hook{WhenReady, []string{"false"}}, Hook{PreFork, []string{"sh", "-c", "mkdir " + once + " 2>/dev/null && exec sleep 3600; true"}})
	cfg.HookTimeout = 3 * time.Second // in which even a slow machine starts a shell
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
	if log := v.log.String(); !strings.Contains(log, "hook failed: hook=when_ready") || !strings.Contains(log, "not done after 3s") {
		t.Errorf("failures are not in the log\n%s", log)
	}
}
