package supervisor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

func TestRecycling(t *testing.T) {
	for name, test := range map[string]struct {
		recycle Recycle
		reason  Reason
		spoil   func(w *fakeWorld, p *fakeProcess)
	}{
		"requests": {Recycle{Requests: 10}, MaxRequests, func(_ *fakeWorld, p *fakeProcess) {
			p.mu.Lock()
			p.board.Counters.Requests[1][2] = 10
			p.mu.Unlock()
		}},
		"memory": {Recycle{Memory: 1000}, MaxMemory, func(w *fakeWorld, p *fakeProcess) { w.set(func() { w.memory[p.pid] = 1001 }) }},
		"age":    {Recycle{Age: 5 * time.Second}, MaxAge, func(*fakeWorld, *fakeProcess) { time.Sleep(5 * time.Second) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := &fakeWorld{}
			inWorld(t, Config{Workers: 2, Recycle: test.recycle}, w, func() {
				w.after(100 * ms)
				old := w.all()[:2]
				for _, p := range old {
					test.spoil(w, p)
				}
				w.after(5 * time.Second)
				snap, _ := w.s.Status(context.Background())
				if snap.DeathCount[test.reason] < 2 || !old[0].wasTold("drain") || !old[1].wasTold("drain") || old[0].wasTold("kill") {
					t.Errorf("deaths %v, told %q %q", snap.DeathCount, old[0].heard(), old[1].heard())
				}
			})
			booting := 0
			for _, e := range w.events[4:] { // after the first two are ready
				switch {
				case strings.Contains(e, "waiting>starting"):
					booting++
				case strings.Contains(e, "starting>ready"):
					booting--
				}
				if booting > 1 {
					t.Fatalf("two at a time: %q", w.events)
				}
			}
		})
	}
}

func TestHardMemoryLimit(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, Recycle: Recycle{Memory: 1000, MemoryHard: 2000}}, w, func() {
		w.after(100 * ms)
		pid := w.all()[0].pid
		w.set(func() { w.memory[pid] = 2001 })
		w.after(1100 * ms)
		if want := []string{"kill"}; !slices.Equal(w.all()[0].heard(), want) {
			t.Errorf("told %q", w.all()[0].heard())
		}
		w.want("0/1 ready")
	})
}

// A stuck request: replacement first, the neighbours finish, then stacks and the end.
func TestStuckRequest(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" || p.pid != 100 {
			obedient(p, what)
		}
	}}
	var victims []Victim
	cfg := Config{Workers: 1, Timeout: 4 * time.Second, AccessLine: func(v Victim) []byte { victims = append(victims, v); return nil }}
	inWorld(t, cfg, w, func() {
		w.after(100 * ms)
		p := w.all()[0]
		p.request("/stuck", 4*time.Second)
		w.after(4 * time.Second)
		p.request("/neighbour", time.Hour)
		w.after(900 * ms)
		if len(w.all()) != 1 {
			t.Fatal("condemned before the handler could obey")
		}
		w.after(1500 * ms)
		if len(w.all()) != 2 || !p.wasTold("drain") || p.wasTold("dump") || p.wasTold("pause") {
			t.Fatalf("%d processes, told %q", len(w.all()), p.heard())
		}
		w.want("0/1 draining", "0/1 ready")
		w.after(10 * time.Second)
		w.want("0/1 draining", "0/1 ready")
		p.finish("/neighbour")
		w.after(1100 * ms)
		w.want("0/1 ready")
		if want := []string{"drain", "dump", "kill"}; !slices.Equal(p.heard(), want) {
			t.Errorf("told %q, want %q", p.heard(), want)
		}
		snap, _ := w.s.Status(context.Background())
		d := snap.Deaths[0]
		if d.Reason != TimedOut || d.By != ByUs || len(d.InFlight) != 1 || d.InFlight[0].Path != "/stuck" {
			t.Errorf("death %+v", d)
		}
	})
	if len(victims) != 1 || victims[0].Path != "/stuck" || victims[0].Reason != TimedOut {
		t.Errorf("victims %+v", victims)
	}
}

// With others to take the new connections the condemned one pauses at once.
func TestAStuckWorkerAmongOthersPauses(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 2, Timeout: 4 * time.Second, GracefulTimeout: 3 * time.Second}, w, func() {
		w.after(100 * ms)
		p := w.all()[0]
		p.request("/stuck", 4*time.Second)
		w.after(6 * time.Second)
		if len(p.heard()) < 2 || p.heard()[0] != "pause" || p.heard()[1] != "drain" && p.heard()[1] != "dump" {
			t.Errorf("told %q", p.heard())
		}
	})
}

// A Python worker with one thread has no neighbours: stacks and the end at once.
func TestAStuckPythonWorker(t *testing.T) {
	set := handoff.Defaults()
	w := &fakeWorld{settings: &set}
	cfg := Config{Workers: 1, Timeout: 4 * time.Second}
	cfg.App = App{Kind: KindPython, Command: []string{"python"}, Umask: -1, Python: &handoff.Python{WorkerClass: "sync"}}
	inWorld(t, cfg, w, func() {
		w.after(100 * ms)
		p := w.all()[0]
		p.request("/stuck", 4*time.Second)
		w.after(5200 * ms)
		if want := []string{"dump", "kill"}; !slices.Equal(p.heard(), want) {
			t.Errorf("told %q, want %q", p.heard(), want)
		}
		w.want("0/1 ready")
	})
}

func TestSilentWorker(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		w := &fakeWorld{}
		inWorld(t, Config{Workers: 1}, w, func() {
			w.after(100 * ms)
			p := w.all()[0]
			w.set(func() { w.silent[p.pid], w.stopped[p.pid] = true, stopped })
			p.mu.Lock()
			p.board.Beat = handoff.Now()
			p.mu.Unlock()
			limit := 10 * time.Second
			if stopped {
				limit = 3 * time.Second
			}
			w.after(limit - time.Second)
			w.want("0/1 ready")
			w.after(3100 * ms)
			want := []string{"dump", "kill"}
			if stopped {
				want = want[1:]
			}
			if !slices.Equal(p.heard(), want) {
				t.Errorf("stopped %v: told %q, want %q", stopped, p.heard(), want)
			}
			w.want("0/1 ready")
		})
	}
}

// Jitter spreads the workers above their limit, never below.
func TestJitterSpreadsWorkers(t *testing.T) {
	w := &fakeWorld{}
	r := Recycle{Requests: 100, RequestsJitter: 50, Age: time.Hour, AgeJitter: time.Minute}
	inWorld(t, Config{Workers: 10, Recycle: r}, w, func() {
		w.after(time.Second)
		limits, ages := map[uint64]bool{}, map[time.Duration]bool{}
		w.s.post(message{do: func() {
			for _, o := range w.s.workers {
				limits[o.limit], ages[o.age] = true, true
				if o.limit < 100 || o.limit > 150 || o.age < time.Hour || o.age > time.Hour+time.Minute {
					t.Errorf("worker %d: %d requests, %v", o.slot, o.limit, o.age)
				}
			}
		}})
		w.after(ms)
		if len(limits) < 2 || len(ages) < 2 {
			t.Errorf("all leave together: %v, %v", limits, ages)
		}
	})
}
