package supervisor

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// story makes a row of the table come true by what processes do and people ask for.
type story struct {
	cfg    Config
	behave func(*fakeProcess, string)
	fork   time.Duration      // that a launch takes
	tell   func(w *fakeWorld) // after a second
	over   bool               // Run ends with an error
}

// slowStart is obedient, and takes three seconds to become ready from process n on.
func slowStart(n int) func(*fakeProcess, string) {
	return func(p *fakeProcess, what string) {
		if what == "start" && p.pid >= 100+n {
			time.Sleep(3 * time.Second)
		}
		obedient(p, what)
	}
}

// deafTo is obedient but for some of what it is told.
func deafTo(words ...string) func(*fakeProcess, string) {
	return func(p *fakeProcess, what string) {
		if slices.Contains(words, what) {
			return
		}
		obedient(p, what)
	}
}

func scaleTo(n int) func(*fakeWorld) {
	return func(w *fakeWorld) { w.s.Scale(context.Background(), n) }
}

func stopFast(w *fakeWorld) { w.s.Stop(context.Background(), true) }

// scaleUpThen asks for a second worker and does something before it is ready.
func scaleUpThen(then func(*fakeWorld)) func(*fakeWorld) {
	return func(w *fakeWorld) {
		scaleTo(2)(w)
		w.after(time.Second)
		then(w)
	}
}

func crash(w *fakeWorld) { w.all()[0].end(exit{code: 1}) }

// crashThen has the first worker crash and does something while its slot waits.
func crashThen(then func(*fakeWorld)) func(*fakeWorld) {
	return func(w *fakeWorld) {
		crash(w)
		w.after(50 * ms)
		then(w)
	}
}

func stuckIn(w *fakeWorld) { w.all()[0].request("/stuck", time.Second) }

// served has the first worker reach the limit of Recycle{Requests: 1}.
func served(w *fakeWorld) {
	p := w.all()[0]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board.Counters.Requests[1][2] = 1
}

func eats(w *fakeWorld) { w.set(func() { w.memory[100] = 2000 }) }

var stories = map[row]story{
	{starting, evSpawned}: {},
	{starting, evReady}:   {},
	{starting, evFailed}: {over: true, behave: func(p *fakeProcess, what string) {
		p.say(handoff.Message{Kind: handoff.Failed, Text: "no database"})
	}},
	{starting, evTimer}:  {over: true, cfg: Config{BootTimeout: time.Second}, behave: deafTo("start")},
	{starting, evDumped}: {over: true, cfg: Config{BootTimeout: time.Second}, behave: deafTo("start")},
	{starting, evExit}: {tell: crash, behave: func(p *fakeProcess, what string) {
		if what == "start" && p.pid == 101 {
			p.end(exit{code: 1})
			return
		}
		obedient(p, what)
	}},
	{starting, evEnd}:   {over: true, behave: func(p *fakeProcess, what string) { p.end(exit{code: 1}) }},
	{starting, evDrain}: {behave: slowStart(1), tell: scaleUpThen(scaleTo(1))},
	{starting, evHurry}: {behave: slowStart(1), tell: scaleUpThen(stopFast)},
	{starting, evKill}:  {over: true, cfg: Config{Workers: 2, PIDFile: "no such folder"}, behave: slowStart(1)},

	{ready, evOver}:  {cfg: Config{Recycle: Recycle{Requests: 1}}, tell: served},
	{ready, evStuck}: {cfg: Config{Timeout: time.Second}, tell: stuckIn},
	{ready, evHard}:  {cfg: Config{Recycle: Recycle{MemoryHard: 1000}}, tell: eats},
	{ready, evSilent}: {tell: func(w *fakeWorld) {
		p := w.all()[0]
		p.mu.Lock()
		defer p.mu.Unlock()
		p.board.Beat = handoff.Now()
		w.set(func() { w.silent[p.pid] = true })
	}},
	{ready, evAlone}: {cfg: Config{Workers: 2, Timeout: time.Second}, behave: slowStart(2), tell: stuckIn},
	{ready, evTimer}: {cfg: Config{Timeout: time.Second, GracefulTimeout: time.Second}, behave: slowStart(1), tell: func(w *fakeWorld) {
		stuckIn(w)
		w.all()[0].request("/neighbour", time.Hour)
	}},
	{ready, evExit}: {tell: crash},
	{ready, evEnd}: {cfg: Config{Recycle: Recycle{Requests: 1}}, behave: slowStart(1), tell: func(w *fakeWorld) {
		served(w)
		w.after(2 * time.Second)
		crash(w)
	}},
	{ready, evResign}: {tell: func(w *fakeWorld) { w.all()[0].say(handoff.Message{Kind: handoff.Draining}) }},
	{ready, evDrain}:  {cfg: Config{Workers: 2}, tell: scaleTo(1)},
	{ready, evHurry}:  {tell: stopFast},
	{ready, evKill}:   {over: true, cfg: Config{PIDFile: "no such folder"}},

	{draining, evSpawned}: {fork: 2 * time.Second, tell: func(w *fakeWorld) {
		w.after(2 * time.Second)
		scaleUpThen(scaleTo(1))(w)
	}},
	{draining, evReady}: {tell: scaleUpThen(scaleTo(1)), behave: func(p *fakeProcess, what string) {
		if p.pid == 101 {
			time.Sleep(1100 * ms) // to be ready, and to leave
		}
		obedient(p, what)
	}},
	{draining, evAlone}: {cfg: Config{Timeout: time.Second}, behave: deafTo("drain"), tell: stuckIn},
	{draining, evHard}: {cfg: Config{Workers: 2, Recycle: Recycle{MemoryHard: 1000}}, behave: deafTo("drain"), tell: func(w *fakeWorld) {
		scaleTo(1)(w)
		w.after(ms)
		w.set(func() { w.memory[100], w.memory[101] = 2000, 2000 })
	}},
	{draining, evTimer}:  {cfg: Config{GracefulTimeout: time.Second}, behave: deafTo("drain"), tell: func(w *fakeWorld) { w.s.Stop(context.Background(), false) }},
	{draining, evDumped}: {cfg: Config{GracefulTimeout: time.Second}, behave: deafTo("drain"), tell: func(w *fakeWorld) { w.s.Stop(context.Background(), false) }},
	{draining, evEnd}:    {cfg: Config{Workers: 2}, tell: scaleTo(1)},
	{draining, evHurry}: {behave: deafTo("drain"), tell: func(w *fakeWorld) {
		w.s.Stop(context.Background(), false)
		w.after(ms)
		stopFast(w)
	}},
	{draining, evKill}: {behave: deafTo("drain", "stop"), tell: func(w *fakeWorld) {
		stopFast(w)
		w.after(ms)
		stopFast(w)
	}},

	{waiting, evTimer}: {tell: crash},
	{waiting, evDrain}: {cfg: Config{Workers: 2}, tell: func(w *fakeWorld) {
		for _, p := range w.all() {
			p.end(exit{code: 1})
		}
		w.after(50 * ms)
		scaleTo(1)(w)
	}},
	{waiting, evHurry}: {tell: crashThen(stopFast)},
	{waiting, evKill}: {cfg: Config{Workers: 2}, tell: func(w *fakeWorld) {
		go w.s.Reload(context.Background())
	}, behave: func(p *fakeProcess, what string) {
		switch {
		case what == "start" && p.pid == 102: // the first of the new generation leaves by itself
			obedient(p, what)
			p.say(handoff.Message{Kind: handoff.Draining})
		case what == "start" && p.pid == 103: // the second cannot boot meanwhile
			p.end(exit{code: 1})
		default:
			obedient(p, what)
		}
	}},
}

// Every row of the table comes true.
func TestEveryRow(t *testing.T) {
	for st := range numStates {
		for e := range numEvents {
			at := row{st, e}
			tale, told := stories[at]
			switch {
			case table[st][e].do == nil && told:
				t.Errorf("there is no row for %v in %v", e, st)
			case table[st][e].do != nil && !told:
				t.Errorf("nobody tries %v in %v", e, st)
			case told:
				t.Run(st.String()+" "+e.String(), func(t *testing.T) { comesTrue(t, at, tale) })
			}
		}
	}
}

func comesTrue(t *testing.T, at row, tale story) {
	w := &fakeWorld{behave: tale.behave, forkTime: tale.fork}
	cfg := tale.cfg
	cfg.Workers = max(cfg.Workers, 1)
	if cfg.PIDFile != "" {
		cfg.PIDFile = filepath.Join(t.TempDir(), cfg.PIDFile, "pid")
	}
	inWorld(t, cfg, w, func() {
		w.after(time.Second)
		if tale.tell != nil {
			tale.tell(w)
		}
		w.after(20 * time.Second)
	})
	if !w.rows[at] {
		t.Errorf("it did not happen; rows %v, events %q", w.rows, w.events)
	}
	if tale.over != (w.err != nil) && !errors.Is(w.err, ErrStopping) {
		t.Errorf("Run() = %v", w.err)
	}
}
