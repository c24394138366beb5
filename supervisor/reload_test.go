package supervisor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

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
