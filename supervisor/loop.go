// The loop: messages come in, the table says what they mean.

package supervisor

import (
	"cmp"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// message is what arrives at the loop: about a worker, or something to do. Of an
// earlier epoch it is dropped, or it would hit the wrong process.
type message struct {
	worker *worker
	epoch  int // 0 in messages that the loop leaves for itself
	event  event
	reason Reason
	why    string

	proc process // evSpawned
	exit exit    // evExit, evEnd
	mail handoff.Message
	fds  []int

	do func()
}

// evMail is no event of the table: it becomes one when the message has been read.
const evMail = numEvents

// loop owns everything until no worker is left after a stop.
func (s *Supervisor) loop(stop <-chan struct{}) {
	tick := time.NewTimer(s.period())
	defer tick.Stop()
	for s.settlePending(); !s.over(); s.settlePending() {
		select {
		case m := <-s.inbox:
			s.receive(m)
		case <-tick.C:
			s.watch()
			tick.Reset(s.period())
		case <-stop:
			stop = nil
			s.stop(false)
		}
	}
}

// over says that nothing is left to wait for.
func (s *Supervisor) over() bool {
	return s.stopping == leaving && len(s.workers) == 0 && s.upgrading == nil
}

// settlePending handles what actions left.
func (s *Supervisor) settlePending() {
	for len(s.pending) > 0 {
		m := s.pending[0]
		s.pending = s.pending[1:]
		s.receive(m)
	}
}

// after leaves a message for when the present one has been handled.
func (s *Supervisor) after(m message) { s.pending = append(s.pending, m) }

// post brings a message to the loop; false when that has ended.
func (s *Supervisor) post(m message) bool {
	select {
	case s.inbox <- m:
		return true
	case <-s.done:
		handoff.CloseFDs(m.fds)
		return false
	}
}

// task runs f beside the loop; Run waits for it.
func (s *Supervisor) task(f func()) { s.tasks.Go(f) }

// receive takes one message.
func (s *Supervisor) receive(m message) {
	if m.do != nil {
		m.do()
		return
	}
	w := m.worker
	if current := w.epochOf(m.event); m.epoch != 0 && m.epoch != current {
		handoff.CloseFDs(m.fds)
		return
	}
	switch m.event {
	case evMail:
		s.read(w, m)
	case evExit:
		if !s.wants(w) {
			m.event = evEnd
		}
		s.handle(w, m)
	default:
		s.handle(w, m)
	}
}

// epochOf is what a message about event must carry to count.
func (w *worker) epochOf(e event) int {
	if e == evTimer {
		return w.alarm
	}
	return w.epoch
}

// handle looks the event up, changes the state and acts.
func (s *Supervisor) handle(w *worker, m message) {
	step := table[w.state][m.event]
	if step.do == nil {
		return
	}
	if s.sys.handled != nil {
		s.sys.handled(w.state, m.event)
	}
	from := w.state
	if from != step.next {
		w.state, w.since = step.next, time.Now()
	}
	step.do(w, m)
	if from != step.next {
		s.emit(w, from)
	}
}

// read makes an event of what a worker said.
func (s *Supervisor) read(w *worker, m message) {
	switch m.mail.Kind {
	case handoff.Passed:
		s.adopt(w, m)
		return
	case handoff.Ready:
		w.files(m.mail.Files)
		m.event = evReady
		if err := handoff.Compatible(handoff.Version, m.mail.Version); w.gen.cfg.App.Kind.contract() && err != nil {
			m.event, m.mail.Text = evFailed, err.Error()
		}
		s.handle(w, m)
	case handoff.Failed:
		m.event = evFailed
		s.handle(w, m)
	case handoff.Draining:
		w.deaf = true
		if !w.leaving {
			m.event, m.reason = evResign, Left
			m.why = cmp.Or(m.mail.Reason, "a signal from somebody else, or its own code")
			s.handle(w, m)
		}
		s.bid(w)
	case handoff.Fence: // what it passed before was read before
		w.proc.Send(handoff.Message{Kind: handoff.Fenced})
	case handoff.NoteMsg:
		s.log.say(level(m.mail.Level), m.mail.Text, w.keys())
	case handoff.Watch:
		w.files(m.mail.Files)
	}
	handoff.CloseFDs(m.fds)
}

// files tells development what w has loaded.
func (w *worker) files(names []string) {
	if heard := w.gen.cfg.OnFiles; heard != nil && len(names) > 0 {
		heard(names)
	}
}

// emit tells subscribers about a change of state.
func (s *Supervisor) emit(w *worker, from state) {
	if s.cfg.OnEvent == nil {
		return
	}
	e := Event{Slot: w.slot, Generation: w.gen.number, PID: w.pid(), From: from.String(), To: w.state.String(), Reason: w.reason, At: w.since}
	if w.state == waiting || w.state == gone {
		e.PID, e.Death = w.lastPID, w.death
	}
	s.cfg.OnEvent(e)
}
