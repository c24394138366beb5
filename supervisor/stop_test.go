package supervisor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

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

// A worker that is just being started does not hold a stop up, whatever its start waits
// for; nor does its slot get a process afterwards.
func TestAStopDoesNotWaitForAStart(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, BootTimeout: time.Hour}, w, func() {
		w.after(time.Second)
		w.set(func() { w.hangs = PreFork })
		w.s.Scale(context.Background(), 2)
		w.after(time.Second)
		w.want("0/1 ready", "1/1 starting")
		w.s.Stop(context.Background(), false)
		w.after(100 * ms)
		if !w.over || len(w.all()) != 1 {
			t.Errorf("over: %v, with %d processes", w.over, len(w.all()))
		}
	})
}

// The limit of a boot holds for what comes before the process, too.
func TestAStartThatHangs(t *testing.T) {
	w := &fakeWorld{hangs: PreFork}
	inWorld(t, Config{Workers: 1, BootTimeout: 5 * time.Second}, w, func() { w.after(6 * time.Second) })
	if boot, ok := errors.AsType[*BootError](w.err); !ok || boot.Reason != "not ready after 5s" {
		t.Errorf("Run() = %v", w.err)
	}
}

// A configuration that is read for ever, in spite of its context, does not keep a stop
// from its end.
func TestAStopDoesNotWaitForAReadThatHangs(t *testing.T) {
	w := &fakeWorld{}
	release := make(chan struct{})
	load := func(context.Context) (Config, error) {
		<-release
		return Config{}, nil
	}
	inWorld(t, Config{Workers: 1, Load: load}, w, func() {
		release = make(chan struct{}) // of this bubble
		w.after(time.Second)
		go w.s.Reload(context.Background())
		w.after(time.Second)
		w.s.Stop(context.Background(), false)
		w.after(taskTime + time.Second)
		if !w.over {
			t.Error("it goes on")
		}
		close(release)
	})
}
