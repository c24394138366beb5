// What the kernel knows about processes, memory and queues.

package supervisor

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/supervisor/measure"
)

// keepDescriptors makes all descriptors but the standard ones close-on-exec. Go's own
// are; those that we were started with, such as a shell's lock file, are nobody's
// business below us.
func keepDescriptors() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	list, _ := os.ReadDir("/proc/self/fd") // kernels before 5.11
	for _, e := range list {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// memoryOf is the PSS of a process, or, cheaper and never less, its resident size.
// 0 when it is gone.
func memoryOf(pid int, exact bool) int64 {
	if exact {
		n, _ := measure.PSS(pid)
		return n
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if f := strings.Fields(string(b)); err == nil && len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// cpuOf is the user and system time of a process.
func cpuOf(pid int) time.Duration {
	d, _ := measure.CPU(pid)
	return d
}

// depthOf is how many connections wait at a listener and how many may; -1 unknown.
func depthOf(l *listener) (queued, limit int) {
	queued, limit, err := measure.Queue(l.fd)
	if err != nil {
		return -1, -1
	}
	return queued, limit
}

// field reads the number behind a word at the start of a line.
func field(path, word string) (int64, bool) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), word); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				n, err := strconv.ParseInt(fields[0], 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

func readInt(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// statFields are those of /proc/PID/stat behind the name, which may hold anything:
// the first is the state.
func statFields(pid int) []string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	i := bytes.LastIndexByte(b, ')')
	if err != nil || i < 0 {
		return nil
	}
	return strings.Fields(string(b[i+1:]))
}

// isStopped says whether a process was stopped by a signal or a debugger.
func isStopped(pid int) bool {
	f := statFields(pid)
	return len(f) > 0 && (f[0] == "T" || f[0] == "t")
}

// cgroup is our folder in the cgroup file system, version 2 or 1's memory
// controller; "" when there is none.
func cgroup() (dir string, v2 bool) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[0] == "0" && parts[1] == "" && exists("/sys/fs/cgroup/cgroup.controllers"):
			return filepath.Join("/sys/fs/cgroup", parts[2]), true
		case strings.Contains(","+parts[1]+",", ",memory,"):
			return filepath.Join("/sys/fs/cgroup/memory", parts[2]), false
		}
	}
	return "", false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// memoryMax is the lowest memory limit of our cgroup and those above it, 0 for none.
func memoryMax() int64 {
	dir, v2 := cgroup()
	name := "memory.limit_in_bytes"
	if v2 {
		name = "memory.max"
	}
	return lowestLimit(dir, name, "/sys/fs/cgroup")
}

// lowestLimit is the lowest number in the files of a name from dir up to top, 0 for none.
func lowestLimit(dir, name, top string) (lowest int64) {
	for ; dir == top || strings.HasPrefix(dir, top+"/"); dir = filepath.Dir(dir) {
		n, err := readInt(filepath.Join(dir, name)) // "max" is no number
		if err == nil && n > 0 && n < 1<<60 && (lowest == 0 || n < lowest) {
			lowest = n
		}
	}
	return lowest
}

// oomCounter counts the kills of the kernel's out-of-memory killer that no report
// has claimed yet.
type oomCounter struct {
	read func() (uint64, bool)

	mu      sync.Mutex
	claimed uint64
	fresh   time.Time // when an unclaimed kill was first seen
}

func newOOMCounter(read func() (uint64, bool)) *oomCounter {
	c := &oomCounter{read: read}
	c.claimed, _ = read()
	return c
}

// kernelOOMKills reads the counter that is nearest: of our cgroup, or of the machine.
func kernelOOMKills() (uint64, bool) {
	dir, v2 := cgroup()
	paths := []string{filepath.Join(dir, "memory.oom_control")}
	if v2 { // memory.events counts the cgroups below ours, too: those are not our workers
		paths = []string{filepath.Join(dir, "memory.events.local"), filepath.Join(dir, "memory.events")}
	}
	for _, path := range append(paths, "/proc/vmstat") {
		if n, ok := field(path, "oom_kill "); ok {
			return uint64(n), true
		}
	}
	return 0, false
}

// claim says whether a process that was killed with SIGKILL was killed by the
// kernel for memory. Each kill is claimed once.
func (c *oomCounter) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.read()
	if !ok || n <= c.claimed {
		return false
	}
	c.claimed++
	return true
}

// forget drops kills of processes that are not ours: nobody claimed them in time.
func (c *oomCounter) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, _ := c.read()
	switch {
	case n <= c.claimed:
		c.fresh = time.Time{}
	case c.fresh.IsZero():
		c.fresh = time.Now()
	case time.Since(c.fresh) > 2*time.Second:
		c.claimed, c.fresh = n, time.Time{}
	}
}
