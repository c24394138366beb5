// No request is lost: load through nginx over every protocol while appd reloads,
// recycles, scales and upgrades, and while people try to break it.

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/appd-server/appd/supervisor"
)

// underLoad starts an appd of its own behind nginx, loads every front of it, and
// runs act. All the requests of all the loads must succeed.
func underLoad(t *testing.T, extra string, act func(t *testing.T, a *appd, loads []*load)) {
	t.Helper()
	if testing.Short() {
		t.Skip("load takes its time")
	}
	a := ownAppd(t, nil, extra)
	fronts := startNginx(t, a)
	var loads []*load
	for _, f := range fronts {
		if f.code == "NFD" || f.code == "NUD" {
			continue // the same protocol lines with other params
		}
		l := startLoad(t, f.addr, f.kept)
		l.t = named{t, f.code}
		loads = append(loads, l)
	}
	allOf(loads, 20)
	act(t, a, loads)
	for _, l := range loads {
		l.finish(100)
	}
}

// allOf waits until each load had n more answers.
func allOf(loads []*load, n int64) {
	for _, l := range loads {
		l.atLeast(n)
	}
}

// named puts the front's code before what is reported about its load.
type named struct {
	testing.TB
	code string
}

func (n named) Logf(format string, args ...any) {
	n.TB.Helper()
	n.TB.Logf(n.code+": "+format, args...)
}

func (n named) Errorf(format string, args ...any) {
	n.TB.Helper()
	n.TB.Errorf(n.code+": "+format, args...)
}

// often is how many times a load test repeats what it does; soaking, ten times as often.
func often(n int) int {
	if os.Getenv("APPD_SOAK") != "" {
		return 10 * n
	}
	return n
}

// Reloads, by signal and by verb; the connections that nginx keeps go on with the
// new generation, POST requests among them.
func TestLoadReload(t *testing.T) {
	underLoad(t, "workers = 2\n", func(t *testing.T, a *appd, loads []*load) {
		g := a.status(t).Generation
		for i := range often(10) {
			if i%2 == 0 {
				a.signal(t, syscall.SIGHUP)
			} else {
				a.verb(t, "reload")
			}
			g++
			a.awaitGeneration(t, g)
			allOf(loads, 5)
		}
	})
}

// HAProxy puts requests beside others all the time, so that its connection is never
// idle by itself. A worker that leaves is rid of it all the same, and nothing is lost.
// The requests are small: with large ones beside them HAProxy answers 500 by itself.
func TestLoadReloadBehindAMultiplexer(t *testing.T) {
	a := ownAppd(t, nil, "workers = 1\ngraceful_timeout = \"5s\"\n")
	fronts := startHAProxy(t, a)
	hm := fronts[slices.IndexFunc(fronts, func(f *front) bool { return f.code == "HM" })]
	stop := make(chan struct{})
	var asked atomic.Int64
	var clients sync.WaitGroup
	for i := range 24 {
		target := fmt.Sprintf("/slow?ms=%d", 70+7*i) // so that they do not end together
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := request(hm.addr, "POST", target, strings.NewReader("small"))
				if err != nil || got.status != 200 || got.cut != nil {
					t.Errorf("%+v, %v", got, err)
				}
				asked.Add(1)
			}
		})
	}
	more := func(n int64) {
		from := asked.Load()
		eventually(t, "more answers", func() bool { return asked.Load() >= from+n })
	}
	more(100)
	for range often(3) {
		a.verb(t, "reload")
		eventually(t, "the workers of before have left", func() bool { return ready(a.status(t)) == 1 })
		more(100)
	}
	close(stop)
	clients.Wait()
}

// Code that does not come up, in every way that there is, leaves the old
// generation serving, and who asked is told why.
func TestLoadBrokenCode(t *testing.T) {
	const extra = "workers = 2\nboot_timeout = \"5s\"\n"
	underLoad(t, extra, func(t *testing.T, a *appd, loads []*load) {
		before := a.workers(t, 2)
		good := a.config(t, nil, extra)
		for _, broken := range []struct{ text, reason string }{
			{a.config(t, map[string]string{"E2E_BOOT": "exit"}, extra), "e2e: this binary exits at boot"},
			{a.config(t, map[string]string{"E2E_BOOT": "panic"}, extra), "e2e: this binary panics at boot"},
			{a.config(t, map[string]string{"E2E_BOOT": "hang"}, extra), "not ready after 5s"},
			{strings.Replace(good, binary(t, "app"), "/nonexistent/app", 1), "/nonexistent/app"},
		} {
			write(t, a.conf, broken.text)
			if out, status := a.try(t, "reload"); status != 1 || !strings.Contains(out, broken.reason) {
				t.Errorf("exit status %d, want 1 and %q in\n%s", status, broken.reason, out)
			}
			allOf(loads, 5)
		}
		a.untouched(t, before)
		write(t, a.conf, good)
		a.verb(t, "reload")
		allOf(loads, 5)
	})
}

// A configuration that cannot be read changes nothing.
func TestLoadBrokenConfiguration(t *testing.T) {
	underLoad(t, "workers = 2\n", func(t *testing.T, a *appd, loads []*load) {
		before := a.workers(t, 2)
		good := a.config(t, nil, "workers = 2\n")
		for _, broken := range []struct{ text, reason string }{
			{good + "workers = = 2\n", "appd.hcl:"},
			{good + "workerz = 2\n", "workers"},
			{good[:len(good)/2], "appd.hcl:"},
			{"", "app"},
			{strings.Replace(good, "unix:"+a.auto(), "unix:/nonexistent/folder/s", 1), "/nonexistent/folder"},
		} {
			write(t, a.conf, broken.text)
			if out, status := a.try(t, "reload"); status != 1 || !strings.Contains(out, broken.reason) {
				t.Errorf("exit status %d, want 1 and %q in\n%s", status, broken.reason, out)
			}
			allOf(loads, 5)
		}
		a.untouched(t, before)
	})
}

// untouched wants the same processes to answer as before.
func (a *appd) untouched(t testing.TB, before map[int]who) {
	t.Helper()
	for pid := range a.workers(t, 2) {
		if _, there := before[pid]; !there {
			t.Errorf("worker %d is new: what was refused touched the old generation", pid)
		}
	}
}

// recycled names the reason that a death report must give.
var recycled = map[string]supervisor.Reason{
	"requests": supervisor.MaxRequests, "age": supervisor.MaxAge, "memory": supervisor.MaxMemory,
}

// Workers are replaced because of what they served, of their age, of their memory.
func TestLoadRecycle(t *testing.T) {
	for name, extra := range map[string]string{
		"requests": "max_requests = 100\nmax_requests_jitter = 50\n",
		"age":      "max_age = \"300ms\"\nmax_age_jitter = \"200ms\"\n",
		"memory":   "max_memory = \"60MiB\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			// A hard limit has appd look at workers more often.
			underLoad(t, "workers = 2\nmax_memory_hard = \"4GiB\"\n"+extra, func(t *testing.T, a *appd, loads []*load) {
				for n := 1; n <= often(8); n++ {
					eventually(t, fmt.Sprintf("%d replacements", n), func() bool {
						if name == "memory" {
							ok(t, a.http(), "GET", "/leak?mb=20", nil)
						}
						return a.status(t).DeathCount[recycled[name]] >= n
					})
				}
			})
		})
	}
}

// Up and down, by verb and one by one with signals.
func TestLoadScale(t *testing.T) {
	underLoad(t, "workers = 1\n", func(t *testing.T, a *appd, loads []*load) {
		for range often(1) {
			for n := 2; n <= 8; n++ {
				a.signal(t, syscall.SIGTTIN)
				a.awaitWorkers(t, n)
			}
			for n := 7; n >= 1; n-- {
				a.signal(t, syscall.SIGTTOU)
				a.awaitWorkers(t, n)
			}
			for _, n := range []int{8, 1} {
				a.verb(t, "scale", fmt.Sprint(n))
				a.awaitWorkers(t, n)
				allOf(loads, 20)
			}
		}
	})
}

// awaitWorkers waits until there are exactly n workers and all are ready.
func (a *appd) awaitWorkers(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d workers", n), func() bool { return ready(a.status(t)) == n })
}

// Binary upgrades, by verb and by signal.
func TestLoadUpgrade(t *testing.T) {
	underLoad(t, "workers = 2\npidfile = \"appd.pid\"\n", func(t *testing.T, a *appd, loads []*load) {
		for i := range often(10) {
			old := a.status(t)
			if i%2 == 0 {
				a.verb(t, "upgrade")
			} else if err := syscall.Kill(old.PID, syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a new appd answers", func() bool {
				out, status := a.try(t, "status", "--json")
				return status == 0 && !strings.Contains(out, fmt.Sprintf(`"pid": %d`, old.PID)) && ready(a.status(t)) == 2
			})
			eventually(t, "the old one is gone", func() bool { return syscall.Kill(old.PID, 0) != nil || zombie(old.PID) })
			allOf(loads, 5)
		}
	})
}

// zombie says that a process has ended and its parent has not asked yet.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}
