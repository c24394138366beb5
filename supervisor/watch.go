// What is looked at regularly: requests over their limit, heartbeats, the limits of
// recycling.

package supervisor

import (
	"fmt"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	longestPeriod  = time.Second
	recyclePeriod  = 250 * time.Millisecond
	shortestPeriod = 50 * time.Millisecond
	obedience      = time.Second // for a handler whose context has ended to answer
	shortSilence   = 3 * time.Second
	longSilence    = 10 * time.Second
)

// period is the time between two looks: a quarter of the request limit, so that no
// request gets much more than that, and shorter for limits that are soon overshot.
func (s *Supervisor) period() time.Duration {
	d := longestPeriod
	if r := &s.cfg.Recycle; r.Requests > 0 || r.MemoryHard > 0 || s.cfg.WorkersMax > 0 {
		d = recyclePeriod
	}
	if s.cfg.Timeout > 0 {
		d = min(d, max(s.cfg.Timeout/4, shortestPeriod))
	}
	return d
}

// watch looks at everybody. After a pause of our own (SIGSTOP, a suspended
// machine, no CPU) the workers were not at fault: it then only looks.
func (s *Supervisor) watch() {
	now := time.Now()
	late := !s.watched.IsZero() && now.Sub(s.watched) > 3*s.period()+shortestPeriod
	s.watched = now
	for _, w := range s.workers {
		if w.proc != nil && (w.state == ready || w.state == draining) {
			s.inspect(w, late)
		}
	}
	s.follow(now)
	s.tend(now)
	s.watchdog()
	s.sys.reap()
}

// look reads the scoreboard.
func (w *worker) look(now int64) bool {
	w.looked = w.proc != nil && w.proc.Look(&w.seen, now) && w.seen.Opened
	if w.looked {
		w.adopted = 0
	}
	return w.looked
}

// inspect leaves at most one event for w.
func (s *Supervisor) inspect(w *worker, late bool) {
	now := handoff.Now()
	looked := w.look(now)
	if looked && !late {
		if s.silent(w, time.Duration(now-w.seen.Beat)) || s.stuck(w) {
			return
		}
	}
	w.holds = s.memory(w)
	s.limits(w)
}

// limits compares w with the limits of its life. Of those only the hard one of memory
// counts for a worker that leaves already.
func (s *Supervisor) limits(w *worker) {
	switch hard := w.gen.cfg.Recycle.MemoryHard; {
	case hard > 0 && w.holds > hard && w.stage == stageDump:
		why := fmt.Sprintf("%d bytes, limit %d", w.holds, hard)
		s.after(message{worker: w, event: evHard, reason: MaxMemory, why: why})
	case w.state == ready:
		s.recycle(w)
	}
}

// silent finds a worker without a heartbeat. One that was stopped by a signal is
// certain; any other may only be short of CPU, and gets more time.
func (s *Supervisor) silent(w *worker, since time.Duration) bool {
	if since <= shortSilence {
		return false
	}
	why := fmt.Sprintf("no heartbeat for %v", since.Round(time.Millisecond))
	if s.sys.stopped(w.proc.PID()) {
		why += ": the process is stopped (SIGSTOP)"
	} else if since <= longSilence {
		return false
	}
	s.after(message{worker: w, event: evSilent, reason: Silent, why: why})
	return true
}

// stuck finds requests over their limit, and says whether there are any.
func (s *Supervisor) stuck(w *worker) bool {
	n, worst := 0, handoff.InFlight{}
	for _, q := range w.seen.InFlight {
		if q.Limit > 0 && !q.Paused && q.Used > q.Limit+w.gen.obedience() {
			n++
			if q.Used > worst.Used {
				worst = q
			}
		}
	}
	switch {
	case n == 0:
		return false
	case w.state == ready && !w.condemned:
		w.condemned = true
		why := fmt.Sprintf("%s %s for %v, limit %v", worst.Method, worst.Target, worst.Used.Round(time.Millisecond), worst.Limit)
		s.after(message{worker: w, event: evStuck, reason: TimedOut, why: why})
	case (w.state == draining || w.passive) && n == len(w.seen.InFlight) && w.stage == stageDump && w.condemned:
		s.after(message{worker: w, event: evAlone, reason: TimedOut})
	}
	return true
}

// obedience is what a request gets beyond its limit: a Go handler's context ends at
// the limit, and the handler may still answer.
func (g *generation) obedience() time.Duration {
	if g.cfg.App.Kind == KindGo {
		return obedience
	}
	return 0
}

// recycle sees to the limits after which a healthy worker is replaced, one worker at a
// time.
func (s *Supervisor) recycle(w *worker) {
	r := &w.gen.cfg.Recycle
	if s.recycling != nil || s.reloading != nil || s.upgrading != nil || w.reason != None || s.stopping != running {
		return
	}
	reason := None
	switch {
	case w.limit > 0 && w.looked && w.seen.Counters.Served() >= w.limit:
		reason = MaxRequests
	case w.age > 0 && time.Since(w.started) >= w.age:
		reason = MaxAge
	case r.Memory > 0 && w.holds > r.Memory:
		reason = MaxMemory
	case w.outdated:
		reason = Outdated
	}
	if reason != None {
		s.after(message{worker: w, event: evOver, reason: reason})
		s.recycling = w // until the action puts the successor here
	}
}

// memory is what w holds, as far as a limit asks for it: exactly only when a cheap
// upper bound is over the lower of the limits, and then as it was last measured.
func (s *Supervisor) memory(w *worker) int64 {
	r := &w.gen.cfg.Recycle
	limit := r.Memory
	if limit == 0 || r.MemoryHard > 0 && r.MemoryHard < limit {
		limit = r.MemoryHard
	}
	if limit == 0 {
		return 0
	}
	if bound := s.sys.memory(w.proc.PID(), false); bound <= limit {
		return bound
	}
	if !w.weighing {
		s.weigh(w)
	}
	return w.holds
}

// weigh measures w beside the loop: the kernel walks all its pages, and waits while the
// process itself waits for one.
func (s *Supervisor) weigh(w *worker) {
	w.weighing = true
	pid, epoch := w.proc.PID(), w.epoch
	s.task(func() {
		n := s.sys.memory(pid, true)
		s.post(message{do: func() {
			w.weighing = false
			if w.epoch == epoch && w.proc != nil && w.state != gone {
				w.holds = n
				s.limits(w)
			}
		}})
	})
}
