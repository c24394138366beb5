// Processes that became our children because their parents ended: reaped, so that
// they do not stay zombies.

package supervisor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// strangerTime is how long a zombie may be one: those whom somebody in this program
// waits for are gone by then, and their exit status is not ours to take.
const strangerTime = 5 * time.Second

// strangers remembers since when a child is a zombie. It belongs to the loop.
type strangers struct {
	seen map[int]time.Time
}

// becomeSubreaper makes orphans below us our children instead of init's.
func becomeSubreaper() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// reap looks for zombies that nobody waits for.
func (r *strangers) reap() {
	var info siginfo
	if waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT) != nil || info.pid == 0 {
		r.seen = nil
		return
	}
	now := time.Now()
	seen := map[int]time.Time{}
	for _, pid := range children() {
		if f := statFields(pid); len(f) == 0 || f[0] != "Z" {
			continue
		}
		since, known := r.seen[pid]
		switch {
		case !known:
			seen[pid] = now
		case now.Sub(since) < strangerTime:
			seen[pid] = since
		default:
			_ = waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG)
		}
	}
	r.seen = seen
}

// children lists our children, whichever of our threads started them.
func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
