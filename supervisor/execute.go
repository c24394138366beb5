// The end of a worker that serves nobody any more or does not go by itself: its stacks, then SIGKILL.

package supervisor

import (
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	dumpTime  = 2 * time.Second // for writing stacks
	abortTime = time.Second     // for what SIGABRT makes a runtime print
	killTime  = 5 * time.Second // until a killed process should be gone
)

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
	if m.reason == MaxMemory || w.s.sys.stopped(w.proc.PID()) {
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
