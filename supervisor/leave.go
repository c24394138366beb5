// Leaving: how a worker is told to go, and how long it may take.

package supervisor

import (
	"fmt"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	hurryTime  = time.Second            // what a fast stop leaves for requests in flight
	lastChance = 700 * time.Millisecond // beyond the drain limit: contexts have ended, handlers may still answer
)

// fail notes what a worker said before it gives up; its exit follows, or is made to.
func (w *worker) fail(m message) {
	w.reason, w.why = BootFailed, m.mail.Text
	w.stage = stageKill
	w.arm(hurryTime)
}

// overdue ends a worker that is not ready in time, or does not leave after it failed.
func (w *worker) overdue(m message) {
	if w.reason == None {
		w.reason = BootTimeout
		w.why = fmt.Sprintf("not ready after %v", w.gen.bootTimeout())
		w.s.log.Error("worker not ready in time", append(w.keys(), "after", w.gen.bootTimeout())...)
	}
	w.execute(m)
}

// giveUp sends a worker away that is not ready yet. It may just have become so and
// accepted a request: then its word arrives, and it drains like any other.
func (w *worker) giveUp(m message) {
	w.depart(m)
	if w.proc != nil {
		w.ask(handoff.Message{Kind: handoff.Drain, Grace: handoff.Duration(w.grace()), Reason: string(w.reason)})
	}
	w.stage = stageKill
	w.arm(hurryTime)
}

// drain lets a worker finish what is in flight and leave.
func (w *worker) drain(m message) {
	w.depart(m)
	w.stage = 0
	w.ask(handoff.Message{
		Kind:   handoff.Drain,
		Queue:  w.s.successor == nil && (w.s.stopping != running || w.outdated || w.s.dropped(w)),
		Pass:   w.s.successor != nil || w.s.stopping == running && w.s.adopter(w) != nil,
		Grace:  handoff.Duration(w.grace()),
		Reason: string(w.reason),
	})
	w.armDrain()
	if w.gen.cfg.Dev {
		w.stage = stageKill
	}
}

// armDrain sets the alarm to the drain limit, if there is one.
func (w *worker) armDrain() {
	w.arm(0)
	if d := w.grace(); d > 0 {
		w.arm(d + lastChance)
	}
}

// hurry gives a worker a second.
func (w *worker) hurry(m message) {
	w.depart(m)
	w.urgency, w.stage = evHurry, stageKill
	w.ask(handoff.Message{Kind: handoff.Stop, Grace: handoff.Duration(hurryTime), Reason: string(w.reason)})
	w.arm(hurryTime)
}

// ask sends m, or the signal that means the same to a program without a control
// socket.
func (w *worker) ask(m handoff.Message) {
	switch {
	case w.proc == nil:
	case w.gen.cfg.App.Kind.contract():
		w.proc.Send(m)
	default:
		w.proc.Signal(w.gen.stopSignal())
		w.signals = w.gen.stopSignal()
	}
}

// depart keeps why a worker leaves now; the first reason counts. A process that is not
// there yet need not come.
func (w *worker) depart(m message) {
	w.note(m)
	w.leaving = true
	if w.proc == nil && w.unwanted != nil {
		w.unwanted(errUnwanted)
	}
}

// note keeps why a worker is to leave.
func (w *worker) note(m message) {
	if w.reason == None {
		w.reason = m.reason
	}
}

// resign is the departure of a worker that nobody told to go: its slot gets a
// successor after the pause that follows a crash, while it finishes.
func (w *worker) resign(m message) {
	w.depart(m)
	w.why = m.why
	keys := append(w.keys(), "error", m.why)
	if w.s.younger(w) == nil && w.s.alive() && w.slot < w.s.wanted {
		heir, delay := w.s.place(w.slot, w.gen, w.reason), w.pause()
		heir.crashes = w.crashes
		heir.arm(delay)
		keys = append(keys, "after", delay)
	}
	w.s.log.Warn("worker leaves, and nobody here told it to", keys...)
	w.armDrain()
}

// replace starts a successor; when that is ready this worker leaves.
func (w *worker) replace(m message) {
	w.note(m)
	w.s.log.Info("replacing worker", append(w.keys(), "reason", string(w.reason))...)
	w.s.recycling = w.s.succeed(w)
}

// grace is the drain limit, 0 for none.
func (w *worker) grace() time.Duration {
	switch {
	case w.gen.cfg.Dev && w.s.stopping == running:
		return hurryTime
	case w.told:
		return positive(time.Duration(w.settings.GracefulTimeout), w.gen.gracefulTimeout())
	}
	return w.gen.gracefulTimeout()
}

// positive is d, or otherwise the default.
func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
