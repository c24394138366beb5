// What a request costs a worker besides reading and answering it.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Scoreboard, counters, access log, slow_request and the limits of recycling are kept
// without a system call per request: besides those on the socket, which the kernel
// counts apart, a worker reads and writes only now and then.
func TestBookkeepingCostsNoSystemCalls(t *testing.T) {
	const requests = 4000
	// On several processors Go's runtime wakes itself through a descriptor.
	a := ownAppd(t, map[string]string{"GOMAXPROCS": "1"}, "workers = 1\naccesslog = \"access.log\"\nslow_request = \"20s\"\nmax_requests = 1000000\nmax_memory = \"8GiB\"\n")
	pid := a.pids(t)[0]
	c := loadClient{load: &load{addr: a.http(), pids: map[int]int{}}, kept: true}
	defer c.hangUp()
	before, served := systemCalls(t, pid), a.status(t).Workers[0].Requests
	for range requests {
		if err := c.ask(); err != nil {
			t.Fatal(err)
		}
	}
	calls := systemCalls(t, pid) - before
	t.Logf("%d calls of read and write for %d requests", calls, requests)
	if calls > requests/20 {
		t.Errorf("%d calls of read and write for %d requests", calls, requests)
	}
	eventually(t, "the scoreboard has them", func() bool { return a.status(t).Workers[0].Requests-served == requests })
	eventually(t, "the access log has them", func() bool {
		text, _ := os.ReadFile(filepath.Join(a.dir, "access.log"))
		return strings.Count(string(text), "\n") >= requests
	})
}

// systemCalls is how often a process has called read and write, and their relatives.
func systemCalls(t *testing.T, pid int) (n int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name == "syscr" || name == "syscw" {
			calls, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			n += calls
		}
	}
	return n
}
