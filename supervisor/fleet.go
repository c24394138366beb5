// The workers as a whole: who has which slot, who succeeds whom, who adopts.

package supervisor

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// spawn makes a worker for slot. It starts at once.
func (s *Supervisor) spawn(slot int, gen *generation, cause Reason) *worker {
	w := s.place(slot, gen, cause)
	s.after(message{worker: w, event: evTimer})
	return w
}

// place makes a worker for slot, which starts when its alarm rings.
func (s *Supervisor) place(slot int, gen *generation, cause Reason) *worker {
	w := &worker{s: s, gen: gen, slot: slot, cause: cause, state: waiting, since: time.Now()}
	s.workers = append(s.workers, w)
	return w
}

// succeed starts the replacement of w, unless there is one already.
func (s *Supervisor) succeed(w *worker) *worker {
	if younger := s.younger(w); younger != nil {
		return younger
	}
	if !s.alive() || w.slot >= s.wanted {
		return nil
	}
	return s.spawn(w.slot, w.gen, w.reason)
}

// younger is a worker that came after w for the same slot and is to stay.
func (s *Supervisor) younger(w *worker) *worker {
	seen := false
	for _, o := range s.workers {
		if seen && o.slot == w.slot && o.staying() {
			return o
		}
		seen = seen || o == w
	}
	return nil
}

func (w *worker) staying() bool { return w.state != draining && w.state != gone }

// alive says that workers are wanted at all.
func (s *Supervisor) alive() bool { return s.booted && s.stopping != leaving }

// wants says whether the slot of w, whose process has ended, wants another one
// from it.
func (s *Supervisor) wants(w *worker) bool {
	if !s.alive() || w.slot >= s.wanted || w.state == draining {
		return false
	}
	if r := s.reloading; r != nil && w.gen == r.gen {
		return false // the reload is refused
	}
	return s.younger(w) == nil
}

// settled follows up on a worker that has become ready.
func (s *Supervisor) settled(w *worker) {
	for _, o := range s.workers {
		if o == w {
			break
		}
		if o.slot == w.slot && o.staying() {
			s.after(message{worker: o, event: evDrain, reason: w.cause})
		}
	}
	if s.recycling == w {
		s.recycling = nil
	}
	if !s.booted {
		s.firstReady()
	}
	if r := s.reloading; r != nil && r.newcomer == w {
		s.advance()
	}
	s.upgradeStep()
}

// lost follows up on a worker that is gone.
func (s *Supervisor) lost(w *worker, e exit) {
	for i, o := range s.workers {
		if o == w {
			s.workers = append(s.workers[:i:i], s.workers[i+1:]...)
			break
		}
	}
	if s.recycling == w {
		s.recycling = nil
	}
	s.bid(w)
	unready := !w.wasReady && w.death != nil && s.stopping != leaving
	switch r := s.reloading; {
	case r != nil && w.gen == r.gen && w.death != nil && w.death.unasked():
		s.refuse(w.bootError())
	case unready && !s.booted && w.gen == s.standIn:
		s.fail(w.bootError())
	case unready && !s.booted:
		s.stillborn(w.bootError())
	default:
		s.balance()
	}
	s.retire()
}

// bootError says why a worker did not become ready.
func (w *worker) bootError() *BootError {
	e := &BootError{Reason: w.death.describe(), Output: w.death.Output, Printed: true}
	if w.why != "" {
		lines := lines(w.why)
		e.Reason = lines[len(lines)-1]
		if len(lines) > 1 {
			e.Output, e.Printed = lines, false
		}
	}
	return e
}

// balance gives each slot a worker and sends those away that have none. A reload
// does this by itself, once it has a worker, and of a stand-in there is one.
func (s *Supervisor) balance() {
	if !s.alive() || s.rolling() || s.standIn != nil {
		return
	}
	taken := make([]bool, s.wanted)
	for _, w := range s.workers {
		switch {
		case !w.staying():
		case w.slot < s.wanted:
			taken[w.slot] = true
		default:
			s.after(message{worker: w, event: evDrain, reason: ScaledDown})
		}
	}
	for slot, ok := range taken {
		if !ok {
			s.spawn(slot, s.gen, None)
		}
	}
}

// others counts the ready workers besides w that accept.
func (s *Supervisor) others(w *worker) (n int) {
	for _, o := range s.workers {
		if o != w && o.state == ready && !o.passive {
			n++
		}
	}
	return n
}

// adopter is the worker that takes over an idle connection of w: of those that are
// to stay the one with the fewest requests in flight.
func (s *Supervisor) adopter(w *worker) (best *worker) {
	for _, o := range s.workers {
		if o != w && o.adopts() && (best == nil || o.load() < best.load()) {
			best = o
		}
	}
	return best
}

// adopts says that a worker accepts, is to stay, and knows what an adoption is.
func (w *worker) adopts() bool {
	return w.state == ready && !w.passive && w.reason == None && w.gen.cfg.App.Kind.contract()
}

// load is how busy a worker was when it was last looked at, and what it adopted since.
func (w *worker) load() int { return int(w.seen.Gauges[handoff.Open]) + w.adopted }

// adopt hands an idle connection on. Nobody to take it means it is closed.
func (s *Supervisor) adopt(w *worker, m message) {
	defer handoff.CloseFDs(m.fds)
	if len(m.fds) != 1 || m.mail.Listener < 0 || m.mail.Listener >= len(w.gen.listeners) {
		return
	}
	l := w.gen.listeners[m.mail.Listener]
	if s.successor != nil {
		s.successor.pass(l, m.mail, m.fds[0])
		return
	}
	if w.state == ready {
		s.relieve(w, l, m)
		return
	}
	if !s.handOn(w, l, m.mail, m.fds[0]) && w.reason == Stopped {
		// It offered this before it heard of the stop. There are no others; it can still serve.
		w.proc.Send(handoff.Message{Kind: handoff.Adopt, Listener: m.mail.Listener, Protocol: m.mail.Protocol}, m.fds[0])
	}
}

// relieve gives a connection with a request that arrives at w, whose threads are all
// inside the application, to a worker that has a free one. If there is none it goes to
// one that is quick: whose last request began much later than w's, so that its next
// one is near. Otherwise w gets it back and keeps it.
func (s *Supervisor) relieve(w *worker, l *listener, m message) {
	now := handoff.Now()
	taker, queue := w, true
	idle, age := w.turnover(now)
	if idle {
		age = 0
	}
	for _, o := range s.workers {
		if o == w || !o.adopts() || !slices.Contains(o.gen.listeners, l) {
			continue
		}
		free, young := o.turnover(now)
		if free {
			taker, queue = o, false
			break
		}
		if young < age/2 {
			taker, age = o, young
		}
	}
	i := slices.Index(taker.gen.listeners, l)
	taker.proc.Send(handoff.Message{Kind: handoff.Adopt, Listener: i, Protocol: m.mail.Protocol, Queue: queue}, m.fds[0])
}

// turnover says whether w could take a request at once, looking at it now, and how old
// the youngest is that it works on.
func (w *worker) turnover(now int64) (free bool, youngest time.Duration) {
	var seen handoff.Snapshot
	youngest = math.MaxInt64
	if !w.proc.Look(&seen, now) {
		return false, youngest
	}
	for _, f := range seen.InFlight {
		youngest = min(youngest, time.Duration(now-f.Start))
	}
	return seen.Gauges[handoff.Active] < max(seen.Gauges[handoff.Width], 1), youngest
}

// handOn gives an idle connection to a worker other than w, and says whether there is one.
func (s *Supervisor) handOn(w *worker, l *listener, m handoff.Message, fd int) bool {
	o := s.adopter(w)
	if o == nil {
		return false
	}
	if i := slices.Index(o.gen.listeners, l); i >= 0 {
		o.adopted++
		o.proc.Send(handoff.Message{Kind: handoff.Adopt, Listener: i, Protocol: m.Protocol}, fd)
	}
	return true
}

// maxWorkers is what a slip of the finger gets at most: each worker is a process.
const maxWorkers = 4096

// scale sets the number of workers.
func (s *Supervisor) scale(n int) error {
	switch {
	case s.stopping != running:
		return ErrStopping
	case n < 0 || n > maxWorkers:
		return fmt.Errorf("cannot run %d workers: from 1 to %d", n, maxWorkers)
	case n == 0 && s.paused():
		return nil
	case n == 0:
		return fmt.Errorf("cannot run 0 workers: stop ends appd")
	}
	s.resize(n)
	return nil
}

// resize changes the wanted number and tells the hook.
func (s *Supervisor) resize(n int) {
	s.setWanted(n)
	s.balance()
}

// setWanted is resize without another worker, or one less. Those that there are learn
// whether they are alone, and what their share of the machine is now.
func (s *Supervisor) setWanted(n int) {
	if n == s.wanted {
		return
	}
	s.log.Info("number of workers changes", "from", s.wanted, "to", n)
	s.runHook(NWorkersChanged, fmt.Sprint("APPD_WORKERS=", n), fmt.Sprint("APPD_WORKERS_BEFORE=", s.wanted))
	s.wanted = n
	s.scaler.changed(time.Now())
	for _, w := range s.workers {
		if w.proc != nil && w.gen.cfg.App.Kind.contract() {
			w.proc.Send(w.resized(n))
		}
	}
}

// resized tells w how many workers there are to be.
func (w *worker) resized(n int) handoff.Message {
	m := handoff.Message{Kind: handoff.Resize, Workers: n}
	if w.gen.cfg.App.Kind == KindGo && n > 0 {
		m.Procs, m.Memory = shares(w.gen.environment(), n, memoryMax())
	}
	return m
}

// paused says that WINCH sent all workers away.
func (s *Supervisor) paused() bool { return s.wanted == 0 }
