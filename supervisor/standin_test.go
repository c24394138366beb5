package supervisor

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

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
		w.want("0/2 ready") // one page for both
		shows := func(want string) {
			t.Helper()
			if text := w.failureShown(); !strings.Contains(text, want) {
				t.Errorf("a page shows %q, want %q", text, want)
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

// In development a program that crashes, or does not come up again, soon after its
// start is not tried over and over: the stand-in shows the report at once.
func TestStandInAfterCrash(t *testing.T) {
	for _, tt := range []struct {
		name string
		age  time.Duration
		end  exit
		path string // of a request in flight
		want string // in APPD_FAILURE; "": it is started again
	}{
		{name: "just ready", age: 100 * ms, end: exit{code: 2}, want: "crashed: exit status 2 after 150ms\nlast words"},
		{name: "in a request", age: time.Second, end: exit{code: -1, signal: 11}, path: "/boom",
			want: "crashed: killed by SIGSEGV (itself) after 1.05s\nGET /boom for 0s \nlast words"},
		{name: "by hand", age: time.Second, end: exit{code: -1, signal: 9}},
		{name: "after a while", age: time.Hour, end: exit{code: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &fakeWorld{}
			inWorld(t, Config{Workers: 1, Dev: true, Fallback: []string{"standin"}}, w, func() {
				w.after(50 * ms)
				first := w.last()
				w.after(tt.age)
				if tt.path != "" {
					first.request(tt.path, 0)
				}
				first.end(tt.end)
				w.after(50 * ms)
				if tt.want == "" {
					w.after(firstDelay)
					w.want("0/1 ready")
					return
				}
				if text := w.failureShown(); text != tt.want {
					t.Errorf("a page shows %q, want %q", text, tt.want)
				}
				w.after(time.Minute)
				w.want("0/2 ready")
				if err := w.s.Reload(context.Background()); err != nil {
					t.Error(err)
				}
				w.want("0/3 ready")
			})
		})
	}
}

// A FastCGI program has a socket that blocks, on which nobody can stand in.
func TestNoStandInForFastCGI(t *testing.T) {
	w := &fakeWorld{behave: func(*fakeProcess, string) {}} // it has no contract: being alive for a while is ready
	cfg := Config{Workers: 1, Dev: true, Fallback: []string{"standin"}, Listeners: make([]Listener, 1),
		App: App{Name: "test", Kind: KindFastCGI, Command: []string{"app"}, Umask: -1, ReadyAfter: time.Second}}
	inWorld(t, cfg, w, func() {
		w.after(50 * ms)
		w.last().ready()
		w.want("0/1 ready")
		w.last().end(exit{code: 2})
		w.after(firstDelay + 50*ms)
		w.want("0/1 starting")
		if text := w.failureShown(); text != "" {
			t.Errorf("a page shows %q", text)
		}
		for _, p := range w.all() {
			p.end(exit{})
		}
	})
}

// failureShown is what the newest stand-in has to say.
func (w *fakeWorld) failureShown() (text string) {
	newest := 0
	for _, p := range w.all() { // which is not in the order of the generations
		if g := p.order.gen; g.number > newest && slices.Equal(g.program.Command, g.cfg.Fallback) {
			newest, text = g.number, strings.TrimPrefix(g.program.Env[0], "APPD_FAILURE=")
		}
	}
	return text
}

// With another worker that serves nobody waits for the one that crashed.
func TestNoStandInBesideOthers(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 2, Dev: true, Fallback: []string{"standin"}}, w, func() {
		w.after(time.Second)
		for _, p := range w.all() {
			if p.order.slot == 0 {
				p.end(exit{code: 2})
			}
		}
		w.after(firstDelay / 2)
		w.want("0/1 waiting", "1/1 ready")
		w.after(firstDelay)
		w.want("0/1 ready", "1/1 ready")
	})
}

// A stream that is cut off a second after a save is no death to report as one.
func TestOldCodeInDevelopment(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" {
			obedient(p, what)
		}
	}}
	var log lockedBuffer
	inWorld(t, Config{Workers: 1, Dev: true, GracefulTimeout: time.Hour, Log: hclog.New(&hclog.LoggerOptions{Output: &log})}, w, func() {
		w.after(time.Second)
		old := w.last()
		old.request("/stream", 0)
		go w.s.Reload(context.Background())
		w.after(time.Second)
		w.want("0/1 draining", "0/2 ready")
		w.after(time.Second)
		w.want("0/2 ready")
	})
	if text := log.String(); strings.Contains(text, "worker died") || !strings.Contains(text, "[INFO]  old code left after its second, requests were cut off") || !strings.Contains(text, "GET /stream for") {
		t.Errorf("the log says:\n%s", text)
	}
}
