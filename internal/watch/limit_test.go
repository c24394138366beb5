package watch

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// limitEnv names the file under /proc/sys/user and the limit, for a copy of the test
// program in a user namespace of its own.
const limitEnv = "APPD_TEST_INOTIFY_LIMIT"

// TestKernelLimits lets the real kernel refuse, at the start and later, in a user
// namespace whose limits are its own. Changes are noticed all the same, and the setting
// that was too small is named once.
func TestKernelLimits(t *testing.T) {
	for _, tt := range []struct{ name, limit, sysctl string }{
		{"instances", "max_inotify_instances=0", "fs.inotify.max_user_instances"},
		{"watches", "max_inotify_watches=1", "fs.inotify.max_user_watches"},
		{"watches-later", "max_inotify_watches=3", "fs.inotify.max_user_watches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if limit := os.Getenv(limitEnv); limit != "" {
				lowerLimit(t, limit)
				belowLimit(t, tt.sysctl)
				return
			}
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^TestKernelLimits$/^"+tt.name+"$")
			cmd.Env = append(os.Environ(), limitEnv+"="+tt.limit)
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
			}
			out, err := cmd.CombinedOutput()
			switch {
			case len(out) == 0 && err != nil:
				t.Skip("no user namespaces here: ", err)
			case err != nil:
				t.Errorf("%v\n%s", err, out)
			case strings.Contains(string(out), "--- SKIP"):
				t.Skipf("%s", out)
			case !strings.Contains(string(out), "--- PASS: TestKernelLimits/"+tt.name):
				t.Errorf("nothing was tested:\n%s", out)
			}
		})
	}
}

// lowerLimit writes a limit of our namespace.
func lowerLimit(t *testing.T, limit string) {
	name, value, _ := strings.Cut(limit, "=")
	if err := os.WriteFile(filepath.Join("/proc/sys/user", name), []byte(value), 0); err != nil {
		t.Skip("limits are not ours to set: ", err)
	}
}

// belowLimit watches a tree that grows.
func belowLimit(t *testing.T, sysctl string) {
	var log strings.Builder
	s := watchSite(t, func(_ string, w *Watcher) {
		w.Log = hclog.New(&hclog.LoggerOptions{Output: &log})
	}, "main.go", "package main")
	s.write("a/a.go", "package a")
	s.write("b/b.go", "package b")
	s.expectSum([]string{"a/a.go", "b/b.go"}) // a look may fall between the two
	s.write("b/b.go", "package b // again")
	if got := s.names(s.next()); !slices.Equal(got, []string{"b/b.go"}) {
		t.Errorf("changed = %v", got)
	}
	if n := kernelWatches(t); n != 0 {
		t.Errorf("%d watches are left while it polls", n)
	}
	if n := strings.Count(log.String(), sysctl); n != 1 {
		t.Errorf("%s is named %d times, want once:\n%s", sysctl, n, log.String())
	}
}
