// The kernel kills for memory: a worker, and the process that workers are forked from.

package python_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/appd-server/appd/supervisor"
)

// memoryCgroup makes a cgroup of so many bytes and returns its folder, "" where this
// is not allowed.
func memoryCgroup(t *testing.T, limit int) string {
	t.Helper()
	for root, file := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		dir := filepath.Join(root, fmt.Sprint("appd-python-", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		// The file is there if the folder is a cgroup with that controller; it must not be made.
		f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		_, err = fmt.Fprint(f, limit)
		if f.Close(); err == nil {
			os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
			return dir
		}
	}
	return ""
}

// Both ends are explained and repaired, and the other workers serve meanwhile. Where
// no cgroup can be made somebody kills in the kernel's place.
func TestKilledForMemory(t *testing.T) {
	const limit = 256 << 20
	s := prepare(t, "", config("app", "preload_app = true", "workers = 2"))
	s.write("app.py", villain+`
import threading
def burst():
    while not os.path.exists("burst"):
        time.sleep(0.02)
    kept.append(b"x" * (400 << 20))
threading.Thread(target=burst, daemon=True).start()
print("imported by", os.getpid())
`)
	s.cgroup = memoryCgroup(t, limit)
	s.begin()
	s.ready(2)

	path, reason, by, status := "/grow", supervisor.OutOfMemory, supervisor.ByOOM, "out of memory"
	if s.cgroup == "" {
		path, reason, by, status = "/sleep", supervisor.Killed, supervisor.ByOther, "SIGKILL"
	}
	lost := make(chan string)
	go func() { lost <- s.ask(path) }()
	s.inFlight(path) // or dead of it: one that came at the same moment might go to that worker
	if s.cgroup == "" {
		for _, w := range s.status().Workers {
			if len(w.InFlight) > 0 {
				syscall.Kill(w.PID, syscall.SIGKILL)
			}
		}
	}
	s.body("/")
	if got := <-lost; got != "" {
		t.Errorf("%s: %q", path, got)
	}
	s.logged("worker died")
	if d := s.status().Deaths[0]; d.Reason != reason || d.By != by || len(d.InFlight) != 1 || d.InFlight[0].Path != path {
		t.Errorf("the worker: %+v", d)
	}
	s.ready(2)

	var preload int
	_, after, _ := strings.Cut(s.log.String(), "imported by ")
	fmt.Sscan(after, &preload)
	if s.cgroup == "" {
		syscall.Kill(preload, syscall.SIGKILL)
	}
	touch(t, s.dir+"/burst")
	s.logged("preload process died, its workers serve on")
	_, after, _ = strings.Cut(s.log.String(), "preload process died")
	if line, _, _ := strings.Cut(after, "\n"); !strings.Contains(line, status) || !strings.Contains(line, fmt.Sprint("pid=", preload)) {
		t.Errorf("the preload process: %s", line)
	}
	os.Remove(s.dir + "/burst")
	pid := 0
	fmt.Sscan(s.body("/"), &pid)
	syscall.Kill(pid, syscall.SIGKILL)
	s.logged("the application is imported again")
	s.ready(2)
	s.body("/")
}
