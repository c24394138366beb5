// A worker: its fields and the actions of the table.

package supervisor

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	firstDelay = 100 * time.Millisecond // of a crash loop; doubles
	lastDelay  = 30 * time.Second
	healthy    = time.Minute            // of life end a crash loop
	hurryTime  = time.Second            // what a fast stop leaves for requests in flight
	dumpTime   = 2 * time.Second        // for writing stacks
	lastChance = 700 * time.Millisecond // beyond the drain limit: contexts have ended, handlers may still answer
	abortTime  = time.Second            // for what SIGABRT makes a runtime print
	killTime   = 5 * time.Second        // until a killed process should be gone
)

// worker is one place in the life of a slot: a process, its predecessors that
// crashed and the pauses between. While one replaces another there are two workers
// with the same slot.
type worker struct {
	// immutable
	s     *Supervisor
	gen   *generation
	slot  int
	cause Reason // why it takes the place of an elder with the same slot

	// owned by the loop
	state   state
	since   time.Time // in state
	reason  Reason    // why it is leaving, or why it waits
	why     string    // more words about it
	leaving bool      // was told to go, or is being ended
	deaf    bool      // says that it accepts no more
	passive bool      // was told to pause

	epoch     int // counts processes; what an earlier one says is dropped
	alarm     int // counts settings of timer; an earlier one's ring is dropped
	timer     *time.Timer
	proc      process // nil between processes and while one is being spawned
	started   time.Time
	crashes   int // in a row
	urgency   event
	stage     int            // of the execution
	signals   syscall.Signal // the last deadly one that we sent
	condemned bool           // for a stuck request
	wasReady  bool
	adopted   int // connections since it was last looked at
	death     *Death
	lastPID   int

	settings handoff.Settings // as the worker said
	told     bool             // settings are valid
	limit    uint64           // requests
	age      time.Duration    // at which it is recycled
	seen     handoff.Snapshot
	looked   bool // seen is of this process
	waited   waited
}

// start spawns a process. The launch and the wait for its end are one goroutine.
func (w *worker) start(message) {
	s := w.s
	w.epoch++
	w.proc, w.reason, w.why, w.stage, w.signals, w.passive = nil, None, "", 0, 0, false
	w.told, w.looked, w.condemned, w.urgency = false, false, false, evDrain
	w.leaving, w.deaf, w.waited = false, false, waited{}
	w.wasReady, w.death = false, nil
	w.started = time.Now()
	w.arm(w.gen.bootTimeout())
	o, epoch := order{w.gen, w.slot, max(s.wanted, 1)}, w.epoch
	s.task(func() {
		s.sys.hook(s.life, o.gen.cfg, PreFork, w.variables(o)...)
		p, err := s.sys.launch(s.life, o)
		if err != nil {
			s.post(message{worker: w, epoch: epoch, event: evExit, exit: exit{code: -1, err: err}})
			return
		}
		s.post(message{worker: w, epoch: epoch, event: evSpawned, proc: p})
		s.post(message{worker: w, epoch: epoch, event: evExit, exit: p.Wait()})
		p.Bereave()
	})
}

// attend takes charge of a process that has just been spawned. One that was given
// up meanwhile is sent away.
func (w *worker) attend(m message) {
	w.proc = m.proc
	w.s.spawned++
	epoch := w.epoch
	w.proc.Attend(func(msg handoff.Message, fds []int) {
		w.s.post(message{worker: w, epoch: epoch, event: evMail, mail: msg, fds: fds})
	})
	if w.state == draining {
		w.s.after(message{worker: w, event: w.urgency})
		if w.urgency == evDrain {
			w.giveUp(m)
		}
		return
	}
	w.s.log.Debug("worker started", w.keys()...)
}

// settle begins the life of a worker that is ready: whoever had its slot leaves.
func (w *worker) settle(m message) {
	w.arm(0)
	w.wasReady = true
	w.reason, w.why, w.stage, w.leaving = None, "", 0, false // of a boot timeout that it just beat
	if m.mail.Settings != nil {
		w.settings, w.told = *m.mail.Settings, true
		w.s.said = m.mail.Settings
	}
	r := w.gen.cfg.Recycle
	w.limit, w.age = uint64(r.Requests), r.Age
	if r.Requests > 0 {
		w.limit += uint64(jitter(int64(r.RequestsJitter)))
	}
	if r.Age > 0 {
		w.age += time.Duration(jitter(int64(r.AgeJitter)))
	}
	w.s.log.Info("worker ready", append(w.keys(), "after", time.Since(w.started).Round(time.Millisecond))...)
	w.s.settled(w)
}

// jitter is a random number from 0 to n.
func jitter(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return rand.Int64N(n + 1)
}

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
		Queue:  w.s.successor == nil && (w.s.stopping != running || w.s.dropped(w)),
		Pass:   w.s.successor != nil || w.s.stopping == running && w.s.adopter(w) != nil,
		Grace:  handoff.Duration(w.grace()),
		Reason: string(w.reason),
	})
	w.arm(0)
	if d := w.grace(); d > 0 {
		w.arm(d + lastChance)
	}
	if w.gen.cfg.Dev {
		w.stage = stageKill
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

// depart keeps why a worker leaves now; the first reason counts.
func (w *worker) depart(m message) {
	w.note(m)
	w.leaving = true
}

// note keeps why a worker is to leave.
func (w *worker) note(m message) {
	if w.reason == None {
		w.reason = m.reason
	}
}

// replace starts a successor; when that is ready this worker leaves.
func (w *worker) replace(m message) {
	w.note(m)
	w.s.log.Info("replacing worker", append(w.keys(), "reason", string(w.reason))...)
	w.s.recycling = w.s.succeed(w)
}

// condemn prepares the end of a worker with a stuck request. Others may take the
// new connections at once; without others it goes on accepting until its
// replacement is ready.
func (w *worker) condemn(m message) {
	w.note(m)
	w.why = m.why
	w.s.log.Error("request stuck, replacing worker", append(w.keys(), "error", m.why)...)
	if w.s.others(w) > 0 && w.gen.cfg.App.Kind.contract() {
		w.proc.Send(handoff.Message{Kind: handoff.Pause, Reason: string(w.reason)})
		w.passive = true
	}
	w.s.succeed(w)
	w.arm(w.grace())
	if w.narrow() {
		w.s.after(message{worker: w, event: evAlone})
	}
}

// narrow says that a worker can do nothing beside a stuck request.
func (w *worker) narrow() bool {
	return w.gen.cfg.App.Kind == KindPython && w.told && w.settings.Threads <= 1 && !w.gen.cooperative()
}

// slay ends a worker that serves nobody any more, and starts its successor at once.
func (w *worker) slay(m message) {
	w.note(m)
	w.why = m.why
	w.s.log.Error("worker must die", append(w.keys(), "reason", string(w.reason), "error", m.why)...)
	w.s.succeed(w)
	if w.reason == MaxMemory || w.s.sys.stopped(w.proc.PID()) {
		w.stage = stageKill // it cannot, or need not, say anything
	}
	w.execute(m)
}

// The stages of an execution: ask for the stacks, let the runtime print them, kill.
const (
	stageDump = iota
	stageAbort
	stageKill
)

// execute takes the next step to a worker's end; the alarm brings the one after.
func (w *worker) execute(m message) {
	w.depart(m)
	switch {
	case w.proc == nil || w.stage >= stageKill || !w.gen.cfg.App.Kind.contract():
		w.kill(m)
	case w.stage == stageDump:
		w.s.log.Warn("dumping stacks", append(w.keys(), "reason", string(w.reason))...)
		w.dumpLog()
		w.stage = stageAbort
		w.arm(dumpTime)
	default:
		w.proc.Signal(syscall.SIGABRT)
		w.signals, w.stage = syscall.SIGABRT, stageKill
		w.arm(abortTime)
	}
}

// dumpLog has the stacks written into the log.
func (w *worker) dumpLog() {
	epoch, keys := w.epoch, w.keys()
	w.proc.Dump(string(w.reason), func(text []byte, err error) {
		if err != nil {
			w.s.log.Warn("no stacks", append(keys, "error", err)...)
			return // the alarm goes on
		}
		w.s.log.Error("stacks of the worker", append(keys, "stacks", string(text))...)
		w.s.post(message{worker: w, epoch: epoch, event: evDumped})
	})
}

// kill ends the process and its children, again if it does not go.
func (w *worker) kill(m message) {
	w.depart(m)
	w.urgency, w.stage = evKill, stageKill
	if w.proc == nil {
		return
	}
	if w.signals == syscall.SIGKILL {
		w.s.log.Warn("worker does not end after SIGKILL", w.keys()...)
	}
	w.proc.Kill(syscall.SIGKILL)
	w.signals = syscall.SIGKILL
	w.arm(killTime)
}

// backOff waits before the next start: longer with each crash in a row.
func (w *worker) backOff(m message) {
	if w.s.died(w, m.exit); time.Since(w.started) >= healthy {
		w.crashes = 0
	}
	delay := min(firstDelay<<min(w.crashes, 16), lastDelay)
	w.crashes++
	w.proc = nil
	w.s.log.Warn("worker starts again", append(w.keys(), "after", delay, "reason", string(w.reason))...)
	w.arm(delay)
}

// bury is the end of a worker.
func (w *worker) bury(m message) {
	w.note(m)
	w.arm(0)
	if m.event == evExit || m.event == evEnd {
		w.s.died(w, m.exit)
	}
	w.proc = nil
	w.s.lost(w, m.exit)
}

// arm sets the alarm, or takes it off when d is not positive.
func (w *worker) arm(d time.Duration) {
	w.alarm++
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if d <= 0 {
		return
	}
	n := w.alarm
	w.timer = time.AfterFunc(d, func() { w.s.post(message{worker: w, epoch: n, event: evTimer}) })
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

// keys names the worker in the log.
func (w *worker) keys() []any {
	return append(make([]any, 0, 12), "worker", w.slot, "gen", w.gen.number, "pid", w.pid())
}

func (w *worker) pid() int {
	if w.proc == nil {
		return 0
	}
	return w.proc.PID()
}

// variables tell a hook which worker is meant.
func (w *worker) variables(o order) []string {
	return []string{fmt.Sprint("APPD_WORKER_ID=", o.slot), fmt.Sprint("APPD_GENERATION=", o.gen.number), fmt.Sprint("APPD_WORKERS=", o.workers)}
}
