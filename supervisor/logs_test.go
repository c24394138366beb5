package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "flood")
	v := serve(t, cfg)
	v.allReady(2)
	v.eventually("output in the log", func() bool { return strings.Contains(v.log.String(), "xxxx") })
	if _, err := v.get("0"); err != nil {
		t.Error(err)
	}
	v.s.Stop(context.Background(), false)
	if err := <-v.done; err != nil {
		t.Error(err)
	}
}

func TestReopenAndStacks(t *testing.T) {
	cfg := realConfig(t, "")
	cfg.AccessLog = filepath.Join(cfg.RunDir, "access")
	v := serve(t, cfg)
	v.allReady(2)
	os.Rename(cfg.AccessLog, cfg.AccessLog+".1")
	if err := v.s.Reopen(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.eventually("both wrote into the new file", func() bool {
		b, _ := os.ReadFile(cfg.AccessLog)
		return string(b) == "reopened\nreopened\n"
	})
	text, err := v.s.Stacks(context.Background(), 1)
	if err != nil || string(text) != "stacks of " {
		t.Errorf("Stacks() = %q, %v", text, err)
	}
	if _, err := v.s.Stacks(context.Background(), 7); err == nil {
		t.Error("stacks of nobody")
	}
}

// A reload that names other logs gives them to the new workers; one that cannot be
// opened refuses it.
func TestReloadChangesLogs(t *testing.T) {
	cfg := realConfig(t, "")
	other := cfg
	other.AccessLog = filepath.Join(cfg.RunDir, "access")
	other.Load = func(context.Context) (Config, error) { return other, nil }
	cfg.Load = other.Load
	v := serve(t, cfg)
	v.allReady(2)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.allReady(2)
	for _, w := range v.status().Workers {
		list, _ := filepath.Glob(fmt.Sprint("/proc/", w.PID, "/fd/*"))
		if !slices.ContainsFunc(list, func(fd string) bool {
			to, _ := os.Readlink(fd)
			return to == other.AccessLog
		}) {
			t.Errorf("worker %d does not have the log", w.Slot)
		}
	}
	other.AccessLog = filepath.Join(cfg.RunDir, "nowhere", "access")
	if err := v.s.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("Reload() = %v", err)
	}
	v.allReady(2)
}
