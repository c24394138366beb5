// A worker: its fields, how it starts, is ready, backs off and is gone.

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	firstDelay = 100 * time.Millisecond // of a crash loop; doubles
	lastDelay  = 30 * time.Second
	healthy    = time.Minute // of life end a crash loop
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
	proc      process                 // nil between processes and while one is being spawned
	unwanted  context.CancelCauseFunc // ends the spawning
	started   time.Time
	crashes   int // in a row
	urgency   event
	stage     int            // of the execution
	signals   syscall.Signal // the last deadly one that we sent
	condemned bool           // for a stuck request
	wasReady  bool
	outdated  bool // the file of a socket vanished after it was started
	adopted   int  // connections since it was last looked at
	death     *Death
	lastPID   int

	settings handoff.Settings // as the worker said
	told     bool             // settings are valid
	limit    uint64           // requests
	age      time.Duration    // at which it is recycled
	seen     handoff.Snapshot
	looked   bool // seen is of this process
	waited   waited
	holds    int64 // bytes, as far as a limit asks
	weighing bool
}

// start spawns a process. The launch and the wait for its end are one goroutine.
func (w *worker) start(message) {
	s := w.s
	w.epoch++
	w.proc, w.reason, w.why, w.stage, w.signals, w.passive = nil, None, "", 0, 0, false
	w.told, w.looked, w.condemned, w.urgency = false, false, false, evDrain
	w.leaving, w.deaf, w.waited, w.holds = false, false, waited{}, 0
	w.wasReady, w.outdated, w.death = false, false, nil
	w.started = time.Now()
	w.arm(w.gen.bootTimeout())
	o, epoch := order{w.gen, w.slot, max(s.wanted, 1)}, w.epoch
	ctx, unwanted := context.WithCancelCause(s.life)
	w.unwanted = unwanted
	s.task(func() {
		defer unwanted(nil)
		s.sys.hook(ctx, o.gen.cfg, PreFork, w.variables(o)...)
		p, err := process(nil), context.Cause(ctx)
		if err == nil {
			p, err = s.sys.launch(ctx, o)
		}
		if err != nil {
			s.post(message{worker: w, epoch: epoch, event: evExit, exit: exit{code: -1, err: err}})
			return
		}
		if !s.post(message{worker: w, epoch: epoch, event: evSpawned, proc: p}) {
			p.Attend(func(handoff.Message, []int) {}) // nobody is there to listen
		}
		s.post(message{worker: w, epoch: epoch, event: evExit, exit: p.Wait()})
		p.Bereave()
	})
}

// errUnwanted is why a process was not started that had been asked for.
var errUnwanted = errors.New("no longer wanted")

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

// backOff waits before the next start.
func (w *worker) backOff(m message) {
	w.s.died(w, m.exit)
	w.proc = nil
	if w.s.showCrash(w) {
		return
	}
	if h := w.s.inherited; h != nil && !h.committed && !w.wasReady {
		w.s.fail(w.bootError()) // the predecessor serves on
		return
	}
	delay := w.pause()
	w.s.log.Warn("worker starts again", append(w.keys(), "after", delay, "reason", string(w.reason))...)
	w.arm(delay)
}

// pause is the time until the slot gets its next process: longer with each failure in
// a row.
func (w *worker) pause() time.Duration {
	if time.Since(w.started) >= healthy {
		w.crashes = 0
	}
	delay := min(firstDelay<<min(w.crashes, 16), lastDelay)
	w.crashes++
	return delay
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
