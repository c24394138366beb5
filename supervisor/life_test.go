package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/handoff"
)

func TestStartAndStop(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 2}, w, func() {
		w.want("0/1 starting", "1/1 starting")
		w.after(60 * ms)
		w.want("0/1 ready", "1/1 ready")
		if heard := w.notified(); !slices.Contains(heard, "READY=1") {
			t.Errorf("service manager heard %q", heard)
		}
	})
	if w.err != nil || len(w.all()) != 2 || !w.all()[0].wasTold("drain") {
		t.Errorf("Run() = %v after %d processes", w.err, len(w.all()))
	}
	want := []string{"0/1 waiting>starting ", "1/1 waiting>starting ", "0/1 starting>ready ", "1/1 starting>ready ",
		"0/1 ready>draining stopped", "1/1 ready>draining stopped", "0/1 draining>gone stopped", "1/1 draining>gone stopped"}
	slices.Sort(want)
	slices.Sort(w.events)
	if !slices.Equal(w.events, want) {
		t.Errorf("events %q", w.events)
	}
}

func TestAnApplicationThatCannotBootEndsRun(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" {
			time.Sleep(100 * ms)
			p.end(exit{code: 7})
		}
	}}
	inWorld(t, Config{Workers: 4}, w, func() { w.after(time.Second) })
	boot, ok := errors.AsType[*BootError](w.err)
	if !ok || ExitStatus(w.err) != ExitBoot || !strings.Contains(boot.Reason, "exit status 7") || !slices.Equal(boot.Output, []string{"last words"}) {
		t.Errorf("Run() = %#v", w.err)
	}
	if len(w.all()) != 4 {
		t.Errorf("%d processes were started", len(w.all()))
	}
}

func TestWhatTheWorkerSaysIsTheReason(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" {
			p.say(handoff.Message{Kind: handoff.Failed, Text: "Traceback\nValueError: no"})
			p.end(exit{code: 3})
		}
	}}
	inWorld(t, Config{Workers: 1}, w, func() { w.after(time.Second) })
	boot, ok := errors.AsType[*BootError](w.err)
	if !ok || boot.Reason != "ValueError: no" || len(boot.Output) != 2 {
		t.Errorf("Run() = %#v", w.err)
	}
}

func TestForeignContractFailsTheBoot(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" {
			p.say(handoff.Message{Kind: handoff.Ready, Version: handoff.Version + 7})
		}
	}}
	inWorld(t, Config{Workers: 1}, w, func() { w.after(5 * time.Second) })
	if boot, ok := errors.AsType[*BootError](w.err); !ok || !strings.Contains(boot.Reason, "contract") {
		t.Errorf("Run() = %v", w.err)
	}
}

func TestBootTimeout(t *testing.T) {
	w := &fakeWorld{behave: func(*fakeProcess, string) {}}
	inWorld(t, Config{Workers: 1, BootTimeout: 5 * time.Second}, w, func() {
		w.after(4 * time.Second)
		w.want("0/1 starting")
		w.after(2 * time.Second)
	})
	if boot, ok := errors.AsType[*BootError](w.err); !ok || boot.Reason != "not ready after 5s" {
		t.Errorf("Run() = %v", w.err)
	}
	if want := []string{"dump", "kill"}; !slices.Equal(w.all()[0].heard(), want) {
		t.Errorf("told %q, want %q", w.all()[0].heard(), want)
	}
}

func TestAWorkerThatCannotDumpIsAbortedThenKilled(t *testing.T) {
	w := &fakeWorld{noDump: true, behave: func(*fakeProcess, string) {}}
	inWorld(t, Config{Workers: 1, BootTimeout: 5 * time.Second}, w, func() { w.after(10 * time.Second) })
	if want := []string{"dump", "aborted", "kill"}; !slices.Equal(w.all()[0].heard(), want) {
		t.Errorf("told %q, want %q", w.all()[0].heard(), want)
	}
}

// A crash loop is slowed down: 100 ms, doubling to 30 s.
func TestCrashLoopBacksOff(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if p.pid < 102 || p.order.slot == 1 {
			obedient(p, what)
			return
		}
		p.end(exit{code: 1})
	}}
	inWorld(t, Config{Workers: 2}, w, func() {
		w.after(60 * ms)
		crashed := time.Since(w.begun)
		p := w.all()[slices.IndexFunc(w.all(), func(p *fakeProcess) bool { return p.order.slot == 0 })]
		p.end(exit{code: 2})
		w.after(100 * time.Second)
		var delays []time.Duration
		before := crashed
		for _, at := range w.started()[2:] {
			delays = append(delays, at-before)
			before = at
		}
		want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 30 * time.Second}
		if !slices.Equal(delays, want) {
			t.Errorf("delays %v, want %v", delays, want)
		}
		w.want("0/1 waiting", "1/1 ready")
	})
	if w.err != nil {
		t.Error(w.err)
	}
}

func TestAHealthyMinuteEndsACrashLoop(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1}, w, func() {
		for range 3 {
			w.after(time.Second)
			w.last().end(exit{code: 1})
		}
		w.after(2 * time.Minute)
		died := time.Since(w.begun)
		w.last().end(exit{code: 1})
		w.after(time.Second)
		if got := w.started()[len(w.started())-1] - died; got != 100*ms {
			t.Errorf("started again after %v", got)
		}
	})
}

func TestRollingReload(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 3}, w, func() {
		w.after(time.Second)
		if err := w.s.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		w.want("0/2 ready", "1/2 ready", "2/2 ready")
		for _, p := range w.all()[:3] {
			if !p.wasTold("drain") {
				t.Error("an old worker was not told to drain")
			}
		}
		if heard := w.notified(); len(heard) != 3 || !strings.HasPrefix(heard[1], "RELOADING=1\nMONOTONIC_USEC=") || heard[2] != "READY=1" {
			t.Errorf("the service manager heard %q", heard)
		}
		// One at a time, each replacement ready before its predecessor is told.
		for i := 4; i < 6; i++ {
			if w.started()[i]-w.started()[i-1] != 50*ms {
				t.Errorf("starts %v", w.started()[3:])
			}
		}
	})
}

// The answer to a reload comes when the old worker says that it accepts no more.
func TestReloadWaitsForTheOldOnes(t *testing.T) {
	w := &fakeWorld{}
	w.behave = func(p *fakeProcess, what string) {
		switch {
		case what == "drain" && p.pid == 100:
			time.Sleep(700 * ms)
			p.say(handoff.Message{Kind: handoff.Draining})
		case what == "drain" && p.pid == 101: // says nothing
		default:
			obedient(p, what)
		}
	}
	inWorld(t, Config{Workers: 1}, w, func() {
		for _, want := range []time.Duration{750 * ms, 3050 * ms, 70 * ms} {
			w.after(time.Second)
			begun := time.Now()
			if err := w.s.Reload(context.Background()); err != nil || time.Since(begun) != want {
				t.Errorf("Reload() = %v after %v, want %v", err, time.Since(begun), want)
			}
		}
	})
}

func TestARefusedReloadKeepsTheOldGeneration(t *testing.T) {
	for _, slot := range []int{0, 2} {
		w := &fakeWorld{}
		w.behave = func(p *fakeProcess, what string) {
			if p.order.gen.number == 2 && p.order.slot == slot {
				p.end(exit{code: 1})
				return
			}
			obedient(p, what)
		}
		inWorld(t, Config{Workers: 3}, w, func() {
			w.after(time.Second)
			err := w.s.Reload(context.Background())
			refusal, ok := errors.AsType[*ReloadError](err)
			if !ok || !strings.Contains(refusal.Reason, "exit status 1") || !slices.Equal(refusal.Output, []string{"last words"}) {
				t.Errorf("Reload() = %#v", err)
			}
			w.after(time.Second)
			w.want("0/1 ready", "1/1 ready", "2/1 ready")
			snap, _ := w.s.Status(context.Background())
			if snap.LastReload == nil || snap.LastReload.OK || snap.Reloads["refused"] != 1 || snap.Generation != 1 {
				t.Errorf("snapshot %+v", snap.LastReload)
			}
		})
	}
}

func TestABadConfigurationChangesNothing(t *testing.T) {
	w := &fakeWorld{}
	answers := []func(Config) (Config, error){
		func(c Config) (Config, error) { return c, errors.New("appd.hcl:1:1: no") },
		func(c Config) (Config, error) { c.App.User = "other"; return c, nil },
		func(c Config) (Config, error) {
			c.Listeners = []Listener{{Worker: handoff.Listener{Address: "taken"}}}
			return c, nil
		},
	}
	wants := []string{"appd.hcl:1:1", "upgrade", "in use"}
	cfg := Config{Workers: 2}
	cfg.Load = func(context.Context) (Config, error) {
		c := w.s.cfg
		answer := answers[0]
		answers = answers[1:]
		return answer(c)
	}
	inWorld(t, cfg, w, func() {
		w.after(time.Second)
		for _, want := range wants {
			if err := w.s.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Reload() = %v, want %q", err, want)
			}
		}
		w.after(time.Second)
		w.want("0/1 ready", "1/1 ready")
		if len(w.all()) != 2 {
			t.Errorf("%d processes", len(w.all()))
		}
	})
}

// What a reload cannot change is refused by name: all of it at once.
func TestWhatAReloadCannotChange(t *testing.T) {
	for _, c := range []struct {
		from, to Config
		names    string
	}{
		{Config{}, Config{Workers: 9, App: App{Umask: 0o77}}, ""},
		{Config{App: App{User: "a"}, PIDFile: "x"}, Config{App: App{User: "b", Group: "g"}, RunDir: "y"}, "user, group, pidfile, run_dir"},
		{Config{App: App{Kind: KindGo}}, Config{App: App{Kind: KindPython}}, ""},
		{Config{App: App{Kind: KindGo}}, Config{App: App{Kind: KindExec}}, "the kind of the app"},
		{Config{App: App{Kind: KindExec}}, Config{App: App{Kind: KindFastCGI}}, "the kind of the app"},
	} {
		want := ""
		if c.names != "" {
			want = c.names + " changed, which a reload cannot apply: run appd upgrade"
		}
		got := ""
		if err := newSupervisor(c.from).fixed(c.to); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v to %+v: %q, want %q", c.from.App, c.to.App, got, want)
		}
	}
}

// Reloads that come while one runs are one more reload, and none is lost.
func TestABurstOfReloads(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1}, w, func() {
		w.after(time.Second)
		results := make(chan error, 10)
		for range 10 {
			go func() { results <- w.s.Reload(context.Background()) }()
		}
		for range 10 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		w.after(time.Second)
		w.want("0/3 ready")
	})
}

func TestAReloadReplacesACrashLoop(t *testing.T) {
	w := &fakeWorld{}
	var broken atomic.Bool
	w.behave = func(p *fakeProcess, what string) {
		if broken.Load() && p.order.gen.number == 1 {
			p.end(exit{code: 1})
			return
		}
		obedient(p, what)
	}
	inWorld(t, Config{Workers: 2}, w, func() {
		w.after(time.Second)
		broken.Store(true)
		w.all()[0].end(exit{code: 1})
		w.after(10 * time.Second)
		if err := w.s.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		w.want("0/2 ready", "1/2 ready")
	})
}

func TestAReloadThatHangsIsEndedByAStop(t *testing.T) {
	w := &fakeWorld{}
	w.behave = func(p *fakeProcess, what string) {
		if p.order.gen.number == 1 {
			obedient(p, what)
		}
	}
	inWorld(t, Config{Workers: 1, BootTimeout: time.Hour}, w, func() {
		w.after(time.Second)
		result := make(chan error, 1)
		go func() { result <- w.s.Reload(context.Background()) }()
		w.after(time.Second)
		w.s.Stop(context.Background(), false)
		if err := <-result; err == nil {
			t.Error("the reload succeeded")
		}
	})
	if w.err != nil {
		t.Error(w.err)
	}
}

func TestDrainLimit(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" {
			obedient(p, what)
		}
	}}
	var begun time.Time
	inWorld(t, Config{Workers: 1, GracefulTimeout: 5 * time.Second}, w, func() {
		w.after(time.Second)
		begun = time.Now()
		w.s.Stop(context.Background(), false)
		w.after(4900 * ms)
		w.want("0/1 draining")
		w.after(time.Second)
	})
	if want := []string{"drain", "dump", "kill"}; !slices.Equal(w.all()[0].heard(), want) {
		t.Errorf("told %q, want %q (%v)", w.all()[0].heard(), want, begun)
	}
}

func TestFastStop(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" {
			obedient(p, what)
		}
	}}
	inWorld(t, Config{Workers: 1}, w, func() {
		w.after(time.Second)
		w.s.Stop(context.Background(), true)
		w.after(900 * ms)
		w.want("0/1 draining")
		w.s.Stop(context.Background(), true) // the second one means now
		w.after(ms)
		if !w.over {
			t.Error("still running")
		}
	})
	if want := []string{"stop", "kill"}; !slices.Equal(w.all()[0].heard(), want) {
		t.Errorf("told %q, want %q", w.all()[0].heard(), want)
	}
}

func TestStopDelay(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, StopDelay: 3 * time.Second}, w, func() {
		w.after(time.Second)
		w.s.Stop(context.Background(), false)
		w.after(2900 * ms)
		snap, err := w.s.Status(context.Background())
		if err != nil || snap.Ready || !snap.Stopping || snap.Workers[0].State != "ready" {
			t.Errorf("snapshot %+v, %v", snap, err)
		}
		w.after(200 * ms)
		if !w.over {
			t.Error("still running")
		}
	})
}

func TestScale(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 2}, w, func() {
		w.after(time.Second)
		w.s.Scale(context.Background(), 4)
		w.after(time.Second)
		w.want("0/1 ready", "1/1 ready", "2/1 ready", "3/1 ready")
		w.s.Scale(context.Background(), 1)
		w.after(time.Second)
		w.want("0/1 ready")
		if err := w.s.Scale(context.Background(), maxWorkers+1); err == nil {
			t.Errorf("Scale(%d) was accepted", maxWorkers+1)
		}
		if err := w.s.Scale(context.Background(), 0); err == nil {
			t.Error("scaled to nothing")
		}
		w.s.Reload(context.Background())
		w.after(time.Second)
		w.want("0/2 ready", "1/2 ready")
	})
	if n := strings.Count(strings.Join(w.hooks, " "), "nworkers_changed"); n != 3 {
		t.Errorf("hooks %q", w.hooks)
	}
}

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

// request puts a request in flight into a fake's scoreboard.
func (p *fakeProcess) request(target string, limit time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board.InFlight = append(p.board.InFlight, handoff.InFlight{
		Request: handoff.Request{Method: "GET", Target: target, Limit: limit}, Start: handoff.Now(),
	})
}

// finish takes a request out again.
func (p *fakeProcess) finish(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board.InFlight = slices.DeleteFunc(p.board.InFlight, func(q handoff.InFlight) bool { return q.Target == target })
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

func TestKinds(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		switch what {
		case "start":
			time.Sleep(p.order.gen.cfg.App.ReadyAfter)
			p.say(handoff.Message{Kind: handoff.Ready})
		case "terminated":
			p.end(exit{})
		}
	}}
	cfg := Config{Workers: 1}
	cfg.App = App{Kind: KindExec, Command: []string{"x"}, Umask: -1}
	inWorld(t, cfg, w, func() {
		w.after(900 * ms)
		w.want("0/1 starting")
		w.after(200 * ms)
		w.want("0/1 ready")
	})
	if want := []string{"terminated"}; !slices.Equal(w.all()[0].heard(), want) {
		t.Errorf("told %q", w.all()[0].heard())
	}
}

// Programs that stop accepting at once are told only when the queue is empty.
func TestTheQueueIsServedBeforeAStop(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		switch what {
		case "start":
			p.say(handoff.Message{Kind: handoff.Ready})
		case "terminated":
			p.end(exit{})
		}
	}}
	cfg := Config{Workers: 1, GracefulTimeout: 10 * time.Second, Listeners: []Listener{{Worker: handoff.Listener{Address: "a"}}}}
	cfg.App = App{Kind: KindExec, Command: []string{"x"}, Umask: -1}
	inWorld(t, cfg, w, func() {
		w.after(2 * time.Second)
		w.set(func() { w.queue = 8 })
		w.s.Stop(context.Background(), false)
		w.after(3 * time.Second)
		w.want("0/1 ready")
		w.set(func() { w.queue = 0 })
		w.after(100 * ms)
		if !w.over {
			t.Error("still running")
		}
	})
}

func TestDeathReports(t *testing.T) {
	for _, test := range []struct {
		e      exit
		reason Reason
		by     Killer
	}{
		{exit{code: 2}, Crashed, ""},
		{exit{code: -1, signal: 9}, Killed, ByOther},
		{exit{code: -1, signal: 9, oom: true}, OutOfMemory, ByOOM},
		{exit{code: -1, signal: 11}, Crashed, ByItself},
		{exit{code: -1, signal: 15}, Killed, ByOther},
		{exit{code: -1, signal: 24}, Crashed, ByLimit},
	} {
		w := &fakeWorld{}
		inWorld(t, Config{Workers: 1}, w, func() {
			w.after(time.Second)
			w.all()[0].request("/lost", 0)
			w.all()[0].end(test.e)
			w.after(ms)
			snap, _ := w.s.Status(context.Background())
			d := snap.Deaths[0]
			if d.Reason != test.reason || d.By != test.by || d.Code != test.e.code || len(d.InFlight) != 1 || d.Age != time.Second {
				t.Errorf("%+v: death %+v", test.e, d)
			}
		})
	}
}

func TestDrainAllAndBack(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 2}, w, func() {
		w.after(time.Second)
		send := func(f func()) {
			w.s.post(message{do: f})
			w.after(time.Second)
		}
		send(w.s.drainAll)
		w.want()
		send(func() { w.s.addWorkers(1) })
		w.want("0/1 ready", "1/1 ready")
		send(w.s.drainAll)
		send(func() { w.s.reload(nil) })
		w.want("0/2 ready", "1/2 ready")
		send(func() { w.s.addWorkers(-1); w.s.addWorkers(-1); w.s.addWorkers(-1) })
		w.want("0/2 ready")
	})
}

func TestWorkersFollowTheQueue(t *testing.T) {
	w := &fakeWorld{}
	cfg := Config{Workers: 1, WorkersMin: 1, WorkersMax: 6, Listeners: []Listener{{Worker: handoff.Listener{Address: "a"}}}}
	inWorld(t, cfg, w, func() {
		w.after(1500 * ms)
		w.want("0/1 ready")
		w.set(func() { w.queue = 10 })
		w.after(10 * time.Second)
		if n := len(w.workers()); n != 6 {
			t.Errorf("%d workers for a full queue", n)
		}
		w.set(func() { w.queue = 0 })
		w.after(50 * time.Second)
		if n := len(w.workers()); n != 6 {
			t.Errorf("%d workers: gone too early", n)
		}
		w.after(10 * time.Minute)
		if n := len(w.workers()); n != 1 {
			t.Errorf("%d workers with nothing to do", n)
		}
	})
}

// Requests that wait inside of the workers count like those in the queue.
func TestWorkersFollowTheWait(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, WorkersMin: 1, WorkersMax: 3}, w, func() {
		w.after(time.Second)
		for range 10 {
			for _, p := range w.all() {
				p.mu.Lock()
				if p.board != nil {
					p.board.Counters.Waits.Buckets[9] += 5
					p.board.Counters.Waits.Sum += uint64(5 * 50 * ms)
				}
				p.mu.Unlock()
			}
			w.after(250 * ms)
		}
		if n := len(w.workers()); n != 3 {
			t.Errorf("%d workers", n)
		}
		w.after(10 * time.Minute)
		w.want("0/1 ready")
	})
}

func TestHooksThatMayRefuse(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, Hooks: []Hook{{OnStarting, []string{"x"}}}}, w, func() { w.after(time.Second) })
	if w.err == nil || len(w.all()) != 0 || ExitStatus(w.err) != ExitFailed {
		t.Errorf("Run() = %v", w.err)
	}
}

// Thousands of reloads and crashes in virtual time leave nothing behind: synctest
// fails on a goroutine that stays.
func TestManyReloadsAndCrashes(t *testing.T) {
	w := &fakeWorld{}
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	inWorld(t, Config{Workers: 3}, w, func() {
		for i := range rounds {
			w.after(time.Second)
			w.all()[len(w.all())-1-i%3].end(exit{code: i % 3})
			if i%2 == 0 {
				w.s.Reload(context.Background())
			}
		}
		w.after(time.Minute)
		if n := len(w.workers()); n != 3 || len(w.s.generations) != 1 {
			t.Errorf("%d workers, %d generations", n, len(w.s.generations))
		}
	})
}

func TestTable(t *testing.T) {
	for st := range gone {
		for _, e := range []event{evDrain, evHurry, evKill} {
			if st == draining && e == evDrain {
				continue // it already does
			}
			if next := table[st][e]; next.do == nil || next.next != draining && next.next != gone {
				t.Errorf("a %v worker ignores %v", st, e)
			}
		}
		if st != waiting {
			if table[st][evExit].do == nil || table[st][evEnd].next != gone {
				t.Errorf("a %v worker does not notice its end", st)
			}
		}
		if st != draining && table[st][evTimer].do == nil {
			t.Errorf("a %v worker has no alarm", st)
		}
	}
	for e, next := range table[gone] {
		if next.do != nil {
			t.Errorf("%v wakes the dead", event(e))
		}
	}
}

// The picture in doc.go is the table.
func TestThePictureIsTheTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for st, row := range table {
		var want strings.Builder
		for e, next := range row {
			if next.do != nil && next.next != state(st) {
				want.WriteString(fmt.Sprintf(" %v>%v", event(e), next.next))
			}
		}
		_, line, ok := strings.Cut(string(doc), fmt.Sprintf("//\t%v:", state(st)))
		line, _, _ = strings.Cut(line, "\n")
		got, wanted := strings.Fields(line), strings.Fields(want.String())
		slices.Sort(got)
		slices.Sort(wanted)
		if !ok || !slices.Equal(got, wanted) {
			t.Errorf("%v: the picture has %q, the table %q", state(st), got, wanted)
		}
	}
}

// In development a newer reload takes the place of the one under way.
func TestDevelopmentSupersedes(t *testing.T) {
	w := &fakeWorld{}
	w.behave = func(p *fakeProcess, what string) {
		if p.order.gen.number != 2 { // the second generation never becomes ready
			obedient(p, what)
		}
	}
	inWorld(t, Config{Workers: 1, Dev: true}, w, func() {
		w.after(time.Second)
		first := make(chan error, 1)
		go func() { first <- w.s.Reload(context.Background()) }()
		w.after(time.Second)
		if err := w.s.Reload(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-first; !errors.Is(err, ErrSuperseded) {
			t.Errorf("the first reload: %v", err)
		}
		w.after(time.Second)
		w.want("0/3 ready")
	})
}

// A first start that fails in development has a stand-in that shows why, until a
// reload succeeds.
func TestStandIn(t *testing.T) {
	w := &fakeWorld{}
	var trouble atomic.Value
	trouble.Store("no database")
	w.prepare = func(g *generation) error {
		g.program.Command = g.cfg.App.Command
		if trouble.Load() == "build" {
			return &PrepareError{Reason: "go build failed", Output: []string{"main.go:1:1"}}
		}
		return nil
	}
	w.behave = func(p *fakeProcess, what string) {
		if text := trouble.Load().(string); p.order.gen.program.Command[0] == "app" && text != "" && what == "start" {
			p.mu.Lock()
			p.output = []string{text}
			p.mu.Unlock()
			p.end(exit{code: 1})
			return
		}
		obedient(p, what)
	}
	inWorld(t, Config{Workers: 2, Dev: true, Fallback: []string{"standin"}}, w, func() {
		w.after(time.Second)
		w.want("0/2 ready", "1/2 ready")
		shows := func(want string) {
			t.Helper()
			p := w.last()
			if env := strings.Join(p.order.gen.program.Env, "\n"); p.order.gen.program.Command[0] != "standin" || !strings.Contains(env, want) {
				t.Errorf("%q serves with %q, want %q", p.order.gen.program.Command, env, want)
			}
		}
		shows("no database")
		trouble.Store("build")
		if err := w.s.Reload(context.Background()); err == nil {
			t.Error("the reload succeeded")
		}
		w.after(time.Second)
		shows("main.go:1:1")
		trouble.Store("")
		if err := w.s.Reload(context.Background()); err != nil {
			t.Error(err)
		}
		w.after(2 * time.Second)
		if p := w.last(); p.order.gen.program.Command[0] != "app" {
			t.Errorf("%q serves", p.order.gen.program.Command)
		}
		snap, _ := w.s.Status(context.Background())
		if len(snap.Workers) != 2 || snap.Workers[0].Generation != snap.Generation {
			t.Errorf("workers %+v", snap.Workers)
		}
	})
	if w.err != nil {
		t.Error(w.err)
	}
}

func TestOnStopComesBeforeTheWorkersLeave(t *testing.T) {
	w := &fakeWorld{}
	cfg := Config{Workers: 1}
	cfg.OnStop = func() {
		time.Sleep(2 * time.Second)
		w.want("0/2 ready")
	}
	var results []bool
	cfg.OnReload = func(r ReloadResult) { results = append(results, r.OK) }
	inWorld(t, cfg, w, func() {
		w.after(time.Second)
		w.s.Reload(context.Background())
		w.after(time.Second)
		w.want("0/2 ready")
	})
	if !slices.Equal(results, []bool{true}) {
		t.Errorf("reloads %v", results)
	}
}

// Who was told to leave can still crash or be killed by somebody else: the report
// does not hide it.
func TestDeathsOnTheWayOut(t *testing.T) {
	for _, test := range []struct {
		e      exit
		reason Reason
	}{
		{exit{code: -1, signal: 9}, Killed},
		{exit{code: -1, signal: 9, oom: true}, OutOfMemory},
		{exit{code: -1, signal: 11}, Crashed},
		{exit{code: 1}, Stopped}, // a Go program that ends with log.Fatal(server.Run(h))
	} {
		w := &fakeWorld{behave: func(p *fakeProcess, what string) {
			if what == "start" {
				obedient(p, what)
			}
		}}
		var deaths []Reason
		var log lockedBuffer
		cfg := Config{Workers: 1, Log: hclog.New(&hclog.LoggerOptions{Output: &log})}
		inWorld(t, cfg, w, func() {
			w.after(time.Second)
			w.s.Stop(context.Background(), false)
			w.after(time.Second)
			w.all()[0].end(test.e)
			w.after(ms)
		})
		for r := range w.s.deathCount {
			deaths = append(deaths, r)
		}
		if !slices.Equal(deaths, []Reason{test.reason}) {
			t.Errorf("%+v: %q", test.e, deaths)
		}
		if said := strings.Contains(log.String(), "worker died"); said != (test.reason != Stopped) {
			t.Errorf("%+v: %s", test.e, &log)
		}
	}
}
