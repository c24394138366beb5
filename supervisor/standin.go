// The stand-in: in development the fallback serves a page that says why the
// application does not, until a reload succeeds.

package supervisor

import (
	"fmt"
	"strings"
)

const maxFailure = 60 << 10 // bytes of APPD_FAILURE

// cannotBoot ends a start that never succeeded. In development a stand-in shows the
// failure.
func (s *Supervisor) cannotBoot(err *BootError) {
	switch {
	case s.failure != nil || s.standIn != nil:
	case !s.standsIn():
		s.log.Error("the application cannot boot", "reason", err.Reason)
		s.fail(err)
	default:
		keys := []any{"reason", err.Reason}
		if len(err.Output) > 0 && !err.Printed {
			keys = append(keys, "output", text(err.Output))
		}
		s.log.Error("the application cannot boot, a page says so until it does", keys...)
		s.replaceAll(err.Reason, err.Output)
	}
}

// standsIn says that there is a fallback, and that it can serve: sockets that block, as
// FastCGI programs need them, are nothing for it.
func (s *Supervisor) standsIn() bool {
	return s.cfg.Dev && len(s.cfg.Fallback) > 0 && !s.cfg.App.Kind.blocking()
}

// showCrash has a stand-in show why w ended, if nobody else serves and w did not live
// for long. Its code is about to be saved again; until then one more try would end as
// this one, and a page that waits for it tells nobody why.
func (s *Supervisor) showCrash(w *worker) bool {
	d := w.death
	switch {
	case !s.standsIn() || s.standIn != nil || s.reloading != nil || s.upgrading != nil || s.others(w) > 0:
		return false
	case d.Reason != Crashed && d.Reason != BootFailed && d.Reason != BootTimeout || d.Age >= healthy:
		return false
	}
	s.log.Error("the application is not started again, a page says so until it is reloaded", "reason", string(d.Reason))
	s.replaceAll(fmt.Sprintf("%s: %s", d.Reason, d.describe()), append(d.lost(), d.Output...))
	return true
}

// replaceAll has the stand-in take the place of all workers.
func (s *Supervisor) replaceAll(reason string, output []string) {
	s.sendAll(evKill, Stopped)
	s.show(reason, output)
}

// show has the fallback serve, in the place of an earlier one.
func (s *Supervisor) show(reason string, output []string) {
	cfg := s.cfg
	cfg.App.Kind, cfg.App.Python, cfg.App.Preload = KindGo, nil, false
	text := strings.ReplaceAll(reason+"\n"+strings.Join(output, "\n"), "\x00", "") // which no environment can hold
	g := s.newGeneration(&cfg)
	g.listeners = s.gen.listeners
	var err error
	if g.logs, err = openLogs(&cfg); err != nil {
		s.log.Error("log cannot be opened", "error", err)
	}
	g.program = Program{Command: cfg.Fallback, Env: []string{"APPD_FAILURE=" + text[:min(len(text), maxFailure)]}}
	if err := g.resolve(); err != nil {
		g.dir = s.startDir
	}
	s.gen, s.standIn = g, g
	s.spawn(0, g, Reloaded)
}
