// Nothing is left behind: no zombie, no orphan, no descriptor, after many reloads
// and crashes of a real appd.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Soaking, it goes on for minutes; the figures are in the log of the test.
func TestLoadLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("load takes its time")
	}
	rounds, until := 20, time.Now().Add(time.Minute)
	if os.Getenv("APPD_SOAK") != "" {
		rounds, until = 10_000, time.Now().Add(4*time.Minute)
	}
	a := ownAppd(t, nil, "workers = 2\n")
	a.mistreat(t, 3)
	a.verb(t, "reload")  // nobody is dead whose death has not been noticed yet,
	a.awaitWorkers(t, 2) // or the one that is missing would count as a leak
	kinds := a.kinds(t)
	descriptors, memory := a.descriptors(t), a.memory(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("descriptors at first: %q\nand at last: %q", kinds, a.kinds(t))
		}
	})
	done := 0
	for done < rounds && time.Now().Before(until) {
		a.mistreat(t, 1)
		done++
	}
	a.awaitWorkers(t, 2)
	eventually(t, "as many descriptors as before", func() bool { return a.descriptors(t) <= descriptors })
	eventually(t, "no process but the supervisor and its workers, and no zombie", func() bool {
		return len(a.children(t)) == 2 && len(a.processes(t)) == 2
	})
	t.Logf("%d reloads and %d deaths; descriptors %d, then %d; memory %d KiB, then %d KiB",
		done, done, descriptors, a.descriptors(t), memory, a.memory(t))
	if now := a.memory(t); now > 2*memory+20<<10 {
		t.Errorf("the supervisor grew from %d KiB to %d KiB", memory, now)
	}
}

// mistreat reloads and kills a worker, n times. Reloading also ends the pause that a
// crash loop makes.
func (a *appd) mistreat(t *testing.T, n int) {
	t.Helper()
	for range n {
		a.verb(t, "reload")
		for _, w := range a.status(t).Workers {
			if w.PID > 0 && w.State == "ready" {
				syscall.Kill(w.PID, syscall.SIGKILL)
				break
			}
		}
	}
}

// descriptors counts the open ones of the supervisor.
func (a *appd) descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// kinds are the open ones, without their numbers, in order.
func (a *appd) kinds(t *testing.T) (list []string) {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if what, err := os.Readlink(file); err == nil {
			list = append(list, strings.TrimRight(what, "0123456789[]"))
		}
	}
	slices.Sort(list)
	return list
}

// memory is the resident memory of the supervisor in KiB.
func (a *appd) memory(t *testing.T) (kib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fmt.Sscanf(line, "VmRSS: %d kB", &kib)
	}
	return kib
}

// children are the processes whose parent is the supervisor, zombies among them.
func (a *appd) children(t *testing.T) (pids []string) {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		text, _ := os.ReadFile(file)
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}
