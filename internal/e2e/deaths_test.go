// Every death is explained: who did it, why, what was lost.

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/supervisor"
)

// A worker killed from outside, by itself, by a crash, by appd: the report says
// which, and names the request that was in flight.
func TestDeathReports(t *testing.T) {
	a, fronts := behindNginx(t, "workers = 1\n", "NF")
	f := fronts[0]
	for _, c := range []struct {
		name, target string
		outside      syscall.Signal
		reason       supervisor.Reason
		by           supervisor.Killer
		log          string
	}{
		{"killed from outside", "/stuck", syscall.SIGKILL, supervisor.Killed, supervisor.ByOther, "SIGKILL"},
		{"exit", "/exit", 0, supervisor.Crashed, "", "exit status 9"},
		{"panic in a goroutine", "/crash", 0, supervisor.Crashed, "", "nobody catches this"},
		{"its own segmentation fault", "/suicide?sig=11", 0, supervisor.Crashed, "", "SIGSEGV"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.awaitWorkers(t, 1)
			victim := a.status(t).Workers[0].PID
			target := c.target
			key := newKey()
			if c.outside != 0 {
				target += "?key=" + key
			}
			answered := make(chan int, 1)
			go func() {
				got, err := request(f.addr, "GET", target, nil)
				if err != nil {
					answered <- 0
					return
				}
				answered <- got.status
			}()
			if c.outside != 0 {
				noted(t, a.notes, key, "began")
				syscall.Kill(victim, c.outside)
			}
			if got := <-answered; got != 502 {
				t.Errorf("nginx answers %d, want 502", got)
			}
			var d supervisor.Death
			eventually(t, "a report", func() bool {
				s := a.status(t)
				if len(s.Deaths) > 0 {
					d = s.Deaths[0]
				}
				return d.PID == victim
			})
			if d.Reason != c.reason || c.by != "" && d.By != c.by || len(d.InFlight) != 1 || d.InFlight[0].Path != target {
				t.Errorf("report %+v, want reason %q by %q with %s in flight", d, c.reason, c.by, target)
			}
			a.awaitLog(t, c.log)
			if text := strings.Join(d.Output, "\n"); c.by == "" && !strings.Contains(fmt.Sprintf("exit status %d ", d.Code)+text, c.log) {
				t.Errorf("the report lacks %q:\n%s", c.log, text)
			}
		})
	}
}

// A stopped worker is found, named as such, killed and replaced; whoever asks
// meanwhile is served by the others.
func TestStoppedWorker(t *testing.T) {
	a, fronts := behindNginx(t, "workers = 2\ntimeout = \"3s\"\n", "NF", "NU", "NH1")
	a.awaitWorkers(t, 2) // one that still boots has longer to answer for itself
	victim := a.status(t).Workers[0].PID
	if err := syscall.Kill(victim, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stopped worker is replaced", func() bool {
		s := a.status(t)
		return ready(s) == 2 && slices.ContainsFunc(s.Deaths, func(d supervisor.Death) bool { return d.PID == victim })
	})
	a.awaitLog(t, "the process is stopped (SIGSTOP)")
	for _, f := range fronts {
		ok(t, f.addr, "GET", "/whoami", nil)
	}
}

// What a worker leaves behind ends with it, and a flood of output blocks nobody.
func TestChildrenAndFloods(t *testing.T) {
	a, fronts := behindNginx(t, "workers = 1\n", "NF")
	child := string(ok(t, fronts[0].addr, "GET", "/forks", nil).body)
	if got := ok(t, fronts[0].addr, "GET", "/floods?mb=20", nil); string(got.body) != "flooded" {
		t.Errorf("%q", got.body)
	}
	a.verb(t, "reload")
	eventually(t, "the child of the old worker is gone", func() bool {
		_, err := os.Stat("/proc/" + child + "/cmdline")
		return err != nil
	})
}

// The kernel's killer is told from anybody else's SIGKILL. This needs a cgroup with
// a limit, which only some machines let us make.
func TestOutOfMemory(t *testing.T) {
	group := limitedGroup(t, 200<<20)
	a := stoppedAppd(t, t.Name())
	a.conf = write(t, filepath.Join(a.dir, "appd.hcl"), a.config(t, nil, "workers = 1\n"))
	a.process = launch(t, t.Name()+".appd", nil, "/bin/sh", "-c",
		`echo $$ > "$1" && shift && exec "$@"`, "sh", filepath.Join(group, "cgroup.procs"), binary(t, "appd"), "-c", a.conf)
	t.Cleanup(func() {
		a.end(t)
		os.Remove(group)
	})
	a.awaitAnswer(t)
	victim := a.status(t).Workers[0].PID
	if got, err := request(a.http(), "GET", "/leak?mb=400", nil); err == nil {
		t.Fatalf("the kernel let it have 400 MiB: %+v", got)
	}
	eventually(t, "a report", func() bool { return len(a.status(t).Deaths) == 1 })
	d := a.status(t).Deaths[0]
	if d.PID != victim || d.Reason != supervisor.OutOfMemory || d.By != supervisor.ByOOM {
		t.Errorf("report %+v, want %q", d, supervisor.OutOfMemory)
	}
	a.awaitWorkers(t, 1)
}

// limitedGroup makes a memory cgroup below our own, of either version.
func limitedGroup(t *testing.T, bytes int) (dir string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip("no cgroups: ", err)
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		parent, file := "", ""
		switch {
		case len(part) == 3 && part[1] == "memory":
			parent, file = filepath.Join("/sys/fs/cgroup/memory", part[2]), "memory.limit_in_bytes"
		case len(part) == 3 && part[0] == "0" && part[1] == "":
			parent, file = filepath.Join("/sys/fs/cgroup", part[2]), "memory.max"
		}
		dir = filepath.Join(parent, fmt.Sprintf("appd-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
		if parent == "" || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil { // an ordinary folder
			os.Remove(dir)
			continue
		}
		if os.WriteFile(filepath.Join(dir, file), fmt.Append(nil, bytes), 0o644) == nil {
			if out, err := exec.Command("/bin/sh", "-c", `echo $$ > "$0"`, filepath.Join(dir, "cgroup.procs")).CombinedOutput(); err == nil {
				return dir
			} else {
				t.Logf("%s: %v %s", dir, err, out)
			}
		}
		os.Remove(dir)
	}
	t.Skip("no memory cgroup of our own can be made here")
	return ""
}
