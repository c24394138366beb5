package handoff

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestTitle(t *testing.T) {
	if os.Getenv("SET_TITLE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTitle$", "-test.v") // a process of its own
		cmd.Env = append(os.Environ(), "SET_TITLE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	args, env := slices.Clone(os.Args), os.Environ()
	for _, title := range []string{"appd: worker 2 gen 3 [" + strings.Repeat("a long name ", 30) + "]", "appd: short"} {
		if err := SetTitle(title); err != nil {
			t.Fatal(err)
		}
		cmdline, err := os.ReadFile("/proc/self/cmdline")
		if err != nil || string(cmdline) != title+"\x00" {
			t.Errorf("command line %q, %v", cmdline, err)
		}
		name, _ := os.ReadFile("/proc/self/comm")
		if strings.TrimSpace(string(name)) != strings.TrimSpace(title[:min(len(title), 15)]) {
			t.Errorf("name %q", name)
		}
	}
	if !slices.Equal(os.Args, args) || !slices.Equal(os.Environ(), env) {
		t.Error("arguments or environment changed")
	}
	if seen, err := os.ReadFile("/proc/self/environ"); err != nil || !strings.Contains(string(seen), "SET_TITLE=1") {
		t.Errorf("the kernel's view of the environment is gone: %v", err)
	}
}
