package supervisor

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

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
