// Reload: fresh configuration, fresh code, one new worker first; the old
// generation serves until each of its workers has a ready successor.

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// reloading is a reload under way.
type reloading struct {
	began    time.Time
	waiters  []chan<- error
	ctx      context.Context
	cancel   context.CancelFunc
	cfg      Config
	gen      *generation // nil while the configuration loads
	bound    []*listener // not in the old generation
	before   int         // workers wanted, 0 while that has not changed
	reopens  int         // of the logs, when it began
	next     int         // slot
	newcomer *worker     // awaited
}

// reload begins a reload, or has one follow the one under way: what changed since
// that began must not be missed.
func (s *Supervisor) reload(answer chan<- error) {
	switch {
	case s.stopping != running:
		answerTo(answer, ErrStopping)
		return
	case s.upgrading != nil:
		refusal := &ReloadError{Reason: "an upgrade is under way"}
		s.log.Error("reload refused", "reason", refusal.Reason)
		answerTo(answer, refusal)
		return
	case s.reloading != nil && s.cfg.Dev:
		s.again = append(s.again, answer)
		s.refuse(ErrSuperseded) // which begins anew
		return
	case s.reloading != nil || !s.opened:
		s.again = append(s.again, answer)
		return
	}
	ctx, cancel := context.WithCancel(s.life)
	r := &reloading{began: time.Now(), ctx: ctx, cancel: cancel, reopens: s.reopens, waiters: []chan<- error{answer}}
	s.reloading = r
	s.log.Info("reload begins")
	s.sys.notify(reloadingState())
	load, same := s.cfg.Load, s.cfg
	known := make([]Listener, len(s.listeners))
	for i, l := range s.listeners {
		known[i] = l.spec
	}
	s.task(func() {
		cfg, err := same, error(nil)
		if load != nil {
			cfg, err = load(ctx)
		}
		var files *logs
		if err == nil {
			cfg.Listeners = s.sys.named(cfg.Listeners, known)
			files, err = openLogs(&cfg)
		}
		if !s.post(message{do: func() { s.loaded(r, cfg, files, err) }}) {
			files.close()
		}
	})
}

// rolling says that a reload is past loading and building: slots are its own affair.
func (s *Supervisor) rolling() bool { return s.reloading != nil && s.reloading.newcomer != nil }

func answerTo(answer chan<- error, err error) {
	if answer != nil {
		answer <- err
	}
}

// loaded goes on with the new configuration: listeners, then the program.
func (s *Supervisor) loaded(r *reloading, cfg Config, files *logs, err error) {
	if s.reloading != r {
		files.close()
		return
	}
	if err == nil {
		err = s.fixed(cfg)
	}
	if err != nil {
		files.close()
		s.refuse(err)
		return
	}
	cfg = cfg.withDefaults()
	r.cfg, r.gen = cfg, s.newGeneration(&cfg)
	if r.gen.logs = files; r.reopens != s.reopens {
		s.reopen(nil) // which missed these
	}
	if r.bound, err = s.bindAll(r.gen); err != nil {
		s.refuse(err)
		return
	}
	s.task(func() {
		s.sys.hook(r.ctx, &cfg, OnReload, fmt.Sprint("APPD_GENERATION=", r.gen.number))
		err := s.sys.prepare(r.ctx, r.gen)
		s.post(message{do: func() { s.prepared(r, err) }})
	})
}

// fixed refuses what only an upgrade can change.
func (s *Supervisor) fixed(cfg Config) error {
	var names []string
	for _, f := range []struct {
		name    string
		changed bool
	}{
		{"user", cfg.App.User != s.cfg.App.User},
		{"group", cfg.App.Group != s.cfg.App.Group},
		{"pidfile", cfg.PIDFile != s.cfg.PIDFile},
		{"run_dir", cfg.RunDir != s.cfg.RunDir},
		{"the kind of the app", cfg.App.Kind.contract() != s.cfg.App.Kind.contract() || cfg.App.Kind.blocking() != s.cfg.App.Kind.blocking()},
	} {
		if f.changed {
			names = append(names, f.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%s changed, which a reload cannot apply: run appd upgrade", strings.Join(names, ", "))
}

// prepared starts the canary.
func (s *Supervisor) prepared(r *reloading, err error) {
	if s.reloading != r {
		return
	}
	if err != nil {
		s.refuse(err)
		return
	}
	r.before = s.wanted
	s.setWanted(r.cfg.startWith())
	s.advance()
}

// advance starts the next newcomer, or ends the reload after the last one.
func (s *Supervisor) advance() {
	r := s.reloading
	if r.next < s.wanted {
		r.newcomer = s.spawn(r.next, r.gen, Reloaded)
		r.next++
		return
	}
	s.accepted(r)
}

// accepted makes the new generation the one in force.
func (s *Supervisor) accepted(r *reloading) {
	s.reloading = nil
	r.cancel()
	s.cfg, s.gen, s.standIn = r.cfg, r.gen, nil
	for _, w := range s.workers {
		if w.gen != r.gen && w.staying() {
			s.after(message{worker: w, event: evDrain, reason: Reloaded})
		}
	}
	s.dropListeners()
	s.log.use(&s.cfg)
	s.sys.title(s.cfg.App.Name)
	s.changeListeners(false)
	s.reloaded(r, &ReloadResult{OK: true, Generation: r.gen.number}, nil)
	s.log.Info("reload done", "gen", r.gen.number, "after", time.Since(r.began).Round(time.Millisecond))
	s.balance()
}

// refuse ends a reload that failed: what is of the new generation goes, and slots
// that it had taken get workers of the old one.
func (s *Supervisor) refuse(err error) {
	r := s.reloading
	s.reloading = nil
	r.cancel()
	for _, w := range s.workers {
		switch {
		case r.gen == nil || w.gen != r.gen:
		case w.state == ready && s.stopping == running:
			if w.slot < s.wanted {
				s.spawn(w.slot, s.gen, Abandoned)
			}
		case w.staying():
			s.after(message{worker: w, event: evKill, reason: Abandoned})
		}
	}
	if r.before > 0 && s.stopping == running {
		s.setWanted(r.before)
	}
	refusal := refusalOf(err)
	refusal.StandIn = s.standIn != nil
	s.closeListeners(r.bound)
	s.reloaded(r, &ReloadResult{Generation: s.gen.number, Reason: refusal.Reason, Output: refusal.Output}, refusal)
	s.log.Error("reload refused, the old generation goes on", "gen", s.gen.number, "reason", refusal.Reason)
	if s.standIn != nil && s.stopping == running && !errors.Is(err, ErrSuperseded) {
		s.show(refusal.Reason, refusal.Output)
	}
	s.balance()
	s.retire()
}

// refusalOf says what went wrong in the words of whoever noticed it.
func refusalOf(err error) *ReloadError {
	refusal := &ReloadError{Reason: err.Error(), Err: err}
	if boot, ok := errors.AsType[*BootError](err); ok {
		refusal.Reason, refusal.Output, refusal.Printed = boot.Reason, boot.Output, boot.Printed
	} else if prep, ok := errors.AsType[*PrepareError](err); ok {
		refusal.Reason, refusal.Output = prep.Reason, prep.Output
	}
	return refusal
}

// reloaded records the result, answers and starts the reload that was asked for
// meanwhile.
func (s *Supervisor) reloaded(r *reloading, result *ReloadResult, err error) {
	result.At, result.Took = r.began, time.Since(r.began)
	s.lastReload = result
	name := "ok"
	if !result.OK {
		name = "refused"
	}
	s.reloads[name]++
	if s.cfg.OnReload != nil {
		s.cfg.OnReload(*result)
	}
	s.sys.notify("READY=1")
	if err != nil {
		for _, answer := range r.waiters {
			answerTo(answer, err)
		}
	} else {
		s.answerLater(r.waiters)
	}
	s.reloadAgain()
}

// reloadAgain begins the reload that had to wait.
func (s *Supervisor) reloadAgain() {
	again := s.again
	s.again = nil
	if len(again) == 0 {
		return
	}
	s.after(message{do: func() {
		s.reload(again[0])
		if s.reloading != nil {
			s.reloading.waiters = again
			return
		}
		for _, answer := range again[1:] {
			answerTo(answer, ErrStopping)
		}
	}})
}

// retire lets go of generations that have no worker left and are not in force.
func (s *Supervisor) retire() {
	s.generations = slices.DeleteFunc(s.generations, func(g *generation) bool {
		if g == s.gen || s.reloading != nil && g == s.reloading.gen {
			return false
		}
		if slices.ContainsFunc(s.workers, func(w *worker) bool { return w.gen == g }) {
			return false
		}
		g.logs.close()
		s.task(func() { s.sys.retire(g) })
		return true
	})
	s.dropListeners()
}
