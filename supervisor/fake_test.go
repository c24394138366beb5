package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// fakeWorld is everything around the loop.
type fakeWorld struct {
	t        *testing.T
	s        *Supervisor
	begun    time.Time
	behave   func(p *fakeProcess, what string)
	prepare  func(g *generation) error
	asks     func() // while names are looked up
	noDump   bool
	settings *handoff.Settings
	queue    int
	forkTime time.Duration
	hangs    HookPoint // its hook never ends by itself

	mu      sync.Mutex
	procs   []*fakeProcess
	starts  []time.Duration
	events  []string
	silent  map[int]bool
	stopped map[int]bool
	memory  map[int]int64
	states  []string // told to the service manager
	hooks   []string
	err     error
	over    bool
	rows    map[row]bool // of the table that were followed
}

// row is a place in the table.
type row struct {
	state
	event
}

// inWorld runs f beside a supervisor in a bubble of virtual time, then stops the
// supervisor and waits for everything.
func inWorld(t *testing.T, cfg Config, w *fakeWorld, f func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.t, w.begun = t, time.Now()
		w.silent, w.stopped, w.memory = map[int]bool{}, map[int]bool{}, map[int]int64{}
		w.rows = map[row]bool{}
		if w.behave == nil {
			w.behave = obedient
		}
		if cfg.App.Command == nil {
			cfg.App = App{Name: "test", Kind: KindGo, Command: []string{"app"}, Umask: -1, ReadyAfter: cfg.App.ReadyAfter}
		}
		cfg.OnEvent = func(e Event) {
			w.events = append(w.events, fmt.Sprintf("%d/%d %s>%s %s", e.Slot, e.Generation, e.From, e.To, e.Reason))
		}
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w.s = s
		s.sys = w.system()
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.err = s.Run(context.Background())
			w.over = true
		}()
		synctest.Wait()
		f()
		if !w.over {
			s.Stop(context.Background(), false)
		}
		<-done
	})
}

func (w *fakeWorld) system() system {
	return system{
		launch: func(_ context.Context, o order) (process, error) {
			time.Sleep(w.forkTime)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.starts = append(w.starts, time.Since(w.begun))
			p := &fakeProcess{world: w, pid: 100 + len(w.procs), order: o, ended: make(chan exit, 1), output: []string{"last words"}}
			w.procs = append(w.procs, p)
			return p, nil
		},
		prepare: func(_ context.Context, g *generation) error {
			if w.prepare != nil {
				return w.prepare(g)
			}
			return nil
		},
		retire: func(*generation) {},
		lookUp: func(Listener) *names {
			if w.asks != nil {
				w.asks()
			}
			return &names{}
		},
		bind: func(spec Listener, _ bool) (*listener, error) {
			if spec.Worker.Address == "taken" {
				return nil, &InUseError{What: "address", Path: "taken"}
			}
			return &listener{address: spec.Worker.Address, spec: spec, fd: -1}, nil
		},
		depth: func(*listener) (n, limit int) {
			w.set(func() { n = w.queue })
			return n, 100
		},
		hook: func(ctx context.Context, cfg *Config, on HookPoint, _ ...string) error {
			var hangs HookPoint
			if w.set(func() { hangs = w.hangs }); on == hangs {
				<-ctx.Done()
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.hooks = append(w.hooks, string(on))
			for _, h := range cfg.Hooks {
				if h.On == on {
					return errors.New("hook says no")
				}
			}
			return nil
		},
		memory: func(pid int, _ bool) (n int64) {
			w.set(func() { n = w.memory[pid] })
			return n
		},
		cpu: func(int) time.Duration { return 0 },
		stopped: func(pid int) (yes bool) {
			w.set(func() { yes = w.stopped[pid] })
			return yes
		},
		notify: func(state string) { w.set(func() { w.states = append(w.states, state) }) },
		title:  func(string) {},
		reap:   func() {},
		close:  func() {},
		handled: func(st state, e event) {
			w.set(func() { w.rows[row{st, e}] = true })
		},
	}
}

// last is the youngest process.
func (w *fakeWorld) last() *fakeProcess {
	all := w.all()
	return all[len(all)-1]
}

// set changes what others read.
func (w *fakeWorld) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// notified is what the service manager was told.
func (w *fakeWorld) notified() (list []string) {
	w.set(func() { list = slices.Clone(w.states) })
	return list
}

// all processes so far.
func (w *fakeWorld) all() []*fakeProcess {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.procs)
}

// started is when each was started.
func (w *fakeWorld) started() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.starts)
}

// after waits in virtual time.
func (w *fakeWorld) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// states of the workers, in order of their slots.
func (w *fakeWorld) workers() (list []string) {
	snap, err := w.s.Status(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range snap.Workers {
		list = append(list, fmt.Sprintf("%d/%d %s", k.Slot, k.Generation, k.State))
	}
	return list
}

func (w *fakeWorld) want(states ...string) {
	w.t.Helper()
	if got := w.workers(); !slices.Equal(got, states) {
		w.t.Errorf("after %v: workers %q, want %q", time.Since(w.begun), got, states)
	}
}
