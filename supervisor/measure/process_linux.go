// Memory and CPU time of a process.

package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// PSS is the memory of a process in bytes, pages that several processes share
// counted by their share: the sum over all workers is what they really take. Where
// the kernel does not let us look (a worker of another user without privileges of
// our own) it is the resident size.
func PSS(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err == nil {
		if kb, ok := field(text, "Pss:"); ok {
			return kb << 10, nil
		}
	}
	return rss(pid)
}

// rss is the resident size of a process in bytes.
func rss(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("measure: memory of process %d: %w", pid, err)
	}
	kb, ok := field(text, "VmRSS:")
	if !ok {
		return 0, fmt.Errorf("measure: process %d has no memory", pid) // a zombie
	}
	return kb << 10, nil
}

// field returns the number behind a label at the start of a line.
func field(text []byte, label string) (int64, bool) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(label)); ok {
			if words := bytes.Fields(rest); len(words) > 0 {
				n, err := strconv.ParseInt(string(words[0]), 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// tick is the unit of times in /proc, USER_HZ: the same on every Linux.
const tick = 10 * time.Millisecond

// CPU is the user and system time that a process has used, without its children's.
func CPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("measure: CPU time of process %d: %w", pid, err)
	}
	// The second field is the program's name in parentheses, whatever stands in it.
	words := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12 // fields 14 and 15 of proc_pid_stat(5)
	if len(words) <= system {
		return 0, fmt.Errorf("measure: CPU time of process %d: %q", pid, text)
	}
	var ticks int64
	for _, word := range words[user : system+1] {
		n, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("measure: CPU time of process %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
