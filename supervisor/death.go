// The report on each process that ended: how, who did it, what was lost.

package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// maxDeaths is how many reports a snapshot shows.
const maxDeaths = 20

// died reports the end of w's process. Its scoreboard outlives it: what is still
// in flight there was lost.
func (s *Supervisor) died(w *worker, e exit) {
	d := &Death{
		Slot: w.slot, Generation: w.gen.number, PID: w.pid(),
		At: time.Now(), Age: time.Since(w.started),
		Code: e.code, Signal: e.signal,
	}
	if w.proc != nil {
		d.Output = w.proc.Output()
		if w.look(handoff.Now()) {
			d.Requests = w.seen.Counters.Served()
			d.InFlight = inFlight(&w.seen)
			s.gone.Add(&w.seen.Counters)
			for _, q := range w.seen.InFlight {
				s.gone.Requests[q.Protocol][0]++ // never answered
			}
			s.accessLines(w)
		}
	}
	d.By = killer(e, w.signals)
	if told := w.leaving && (d.By == "" || d.By == ByUs); !told && w.reason != BootFailed {
		w.reason = unaskedReason(e, d.By, w.wasReady)
	}
	switch {
	case errors.Is(e.err, errUnwanted):
		w.why = cmp.Or(w.why, e.err.Error())
	case e.err != nil:
		w.why = e.err.Error()
	case w.reason == Crashed && w.why == "" && e.code == 0 && e.signal == 0:
		w.why = "nobody here told it to end: its own code did, or a signal from somebody else"
	}
	d.Reason, d.Why = w.reason, w.why
	w.death, w.lastPID = d, d.PID
	s.deaths = append([]Death{*d}, s.deaths[:min(len(s.deaths), maxDeaths-1)]...)
	s.deathCount[d.Reason]++
	s.goneCPU += e.cpu
	s.logDeath(w, d)
	s.runHook(ChildExit, append(w.variables(order{w.gen, w.slot, s.wanted}), fmt.Sprint("APPD_PID=", d.PID),
		"APPD_REASON="+string(d.Reason), "APPD_EXIT="+d.describe())...)
	if w.proc != nil {
		w.proc.Close()
	}
}

// killer says who ended a process with a signal.
func killer(e exit, sent syscall.Signal) Killer {
	switch e.signal {
	case 0:
		return ""
	case sent:
		return ByUs
	case syscall.SIGKILL:
		if e.oom {
			return ByOOM
		}
	case syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGSYS, syscall.SIGPIPE:
		return ByItself
	case syscall.SIGXCPU, syscall.SIGXFSZ:
		return ByLimit
	}
	return ByOther
}

// unaskedReason names the end of a worker that nobody told to go, or that did not
// go the way it was told.
func unaskedReason(e exit, by Killer, wasReady bool) Reason {
	switch {
	case by == ByOOM:
		return OutOfMemory
	case by == ByOther:
		return Killed
	case !wasReady:
		return BootFailed
	}
	return Crashed
}

// unasked says that the worker's end was not our wish.
func (d *Death) unasked() bool {
	switch d.Reason {
	case Crashed, Left, BootFailed, BootTimeout, TimedOut, Silent, Killed, OutOfMemory:
		return true
	}
	return false
}

// describe says how the process ended, in a few words.
func (d *Death) describe() string {
	age := d.Age.Round(time.Millisecond)
	switch {
	case d.PID == 0:
		return cmp.Or(d.Why, "could not be started")
	case d.Reason == BootTimeout:
		return d.Why
	case d.Signal != 0:
		return fmt.Sprintf("killed by %s (%s) after %v", SignalName(d.Signal), d.By, age)
	}
	return fmt.Sprintf("exit status %d after %v", d.Code, age)
}

// logDeath writes the report into the log: a diary line for who left as told, an
// error with everything for who did not.
func (s *Supervisor) logDeath(w *worker, d *Death) {
	keys := append(w.keys(), "reason", string(d.Reason), "status", d.describe(), "requests", d.Requests)
	switch {
	case d.unasked():
	case len(d.InFlight) == 0:
		s.log.Info("worker left", keys...)
		return
	case w.gen.cfg.Dev && d.Reason == Reloaded:
		s.log.Info("old code left after its second, requests were cut off", append(w.keys(), "lost", text(d.lost()))...)
		return
	}
	if d.By != "" {
		keys = append(keys, "by", string(d.By))
	}
	if n := len(d.InFlight); n > 0 {
		keys = append(keys, "in_flight", n)
	}
	if d.Why != "" {
		keys = append(keys, "error", d.Why)
	}
	if lost := d.lost(); len(lost) > 0 {
		keys = append(keys, "lost", text(lost))
	}
	if len(d.Output) > 0 && !w.gen.cfg.Dev { // in a terminal it stands a line above
		keys = append(keys, "output", text(d.telling()))
	}
	s.log.Error("worker died", keys...)
}

// lost describes the requests that got no answer, one a line.
func (d *Death) lost() (list []string) {
	for _, q := range d.InFlight {
		list = append(list, fmt.Sprintf("%s %s for %v %s", q.Method, q.Path, q.Age.Round(time.Millisecond), q.ID))
	}
	return list
}

// telling is the part of the output that a log entry shows: the beginning of a crash,
// the end of everything else.
func (d *Death) telling() []string {
	const most = 10
	n := len(d.Output)
	if n > 0 && crashes(d.Output[0]) {
		return d.Output[:min(n, most)]
	}
	return d.Output[max(n-most, 0):]
}

// inFlight copies the table of requests, the oldest first.
func inFlight(snap *handoff.Snapshot) []RequestStatus {
	var list []RequestStatus
	now := handoff.Now()
	for _, q := range snap.InFlight {
		list = append(list, RequestStatus{
			ID: q.ID, Method: q.Method, Path: q.Target, Remote: q.Remote, Protocol: handoff.Protocols[q.Protocol],
			Age: time.Duration(now - q.Start), Owned: q.Used, Limit: q.Limit, Paused: q.Paused,
		})
	}
	slices.SortFunc(list, func(a, b RequestStatus) int { return cmp.Compare(b.Age, a.Age) })
	return list
}

// accessLines writes a line of the access log for each request that died with w.
func (s *Supervisor) accessLines(w *worker) {
	if w.gen.cfg.AccessLine == nil {
		return
	}
	missing := 0
	for _, q := range inFlight(&w.seen) {
		if !w.gen.logs.write(w.gen.cfg.AccessLine(Victim{RequestStatus: q, Slot: w.slot, Generation: w.gen.number, PID: w.pid(), Reason: w.reason})) {
			missing++
		}
	}
	if missing > 0 {
		s.log.Warn("the access log takes no more, lines were dropped", append(w.keys(), "lines", missing)...)
	}
}

// SignalName is SIGKILL for 9, and the number for a signal without a name.
func SignalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprint("signal ", int(sig))
}
