package supervisor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestHooksThatMayRefuse(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, Hooks: []Hook{{OnStarting, []string{"x"}}}}, w, func() { w.after(time.Second) })
	if w.err == nil || len(w.all()) != 0 || ExitStatus(w.err) != ExitFailed {
		t.Errorf("Run() = %v", w.err)
	}
}

// A pre_exec hook that fails keeps this supervisor, which goes on as if nothing had been
// asked.
func TestAHookRefusesAnUpgrade(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, Hooks: []Hook{{PreExec, []string{"x"}}}}, w, func() {
		w.after(time.Second)
		if err := w.s.Upgrade(context.Background()); err == nil || !strings.Contains(err.Error(), "hook says no") {
			t.Errorf("Upgrade() = %v", err)
		}
		if err := w.s.Reload(context.Background()); err != nil {
			t.Error(err)
		}
		w.want("0/2 ready")
	})
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
