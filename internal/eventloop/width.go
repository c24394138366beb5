// GOMAXPROCS: as narrow as the requests allow, because hand-offs between
// processors cost more than the work of a quick request.

//go:build linux

package eventloop

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	tooLong    = 5 * time.Millisecond // that a request which could run waits for others
	sampling   = time.Millisecond     // between two looks at the processor time
	busyShare  = 0.2                  // of a processor, from which a time without events was no rest
	quiet      = time.Second          // without such a wait, before it gets narrower
	quietLimit = time.Minute
)

// width follows what the handlers do: quick ones share one processor; when one of
// them keeps it so long that others wait, there will be more. A width that turned
// out too narrow soon after it was taken back is kept longer the next time, one that
// was enough for long shorter.
type width struct {
	late atomic.Int64 // when a request last waited too long
	max  int          // 0: leave GOMAXPROCS alone
	ours bool         // max was set; immutable after start

	polled int64 // when the poller last had events; it alone uses this

	width atomic.Int32 // is now

	mu       sync.Mutex
	samples  [8]sample // newest first
	now      int
	before   int   // as it was found
	changed  int64 // when
	lowered  int64
	patience time.Duration
	board    *handoff.Board
}

func (w *width) start(most int, board *handoff.Board) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.board = board
	w.before = runtime.GOMAXPROCS(0)
	w.now = w.before
	w.patience = quiet
	if most > 0 {
		w.max, w.ours = most+1, true
	}
	if w.max > 0 && w.now != 1 {
		w.set(1)
	}
	w.width.Store(int32(w.now))
	board.Set(handoff.Width, w.now)
	first := sample{handoff.Now(), processTime()}
	for i := range w.samples {
		w.samples[i] = first
	}
}

// limit changes the share of the CPUs.
func (w *width) limit(most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.max == 0 || most <= 0 {
		return
	}
	if w.max = most + 1; w.now > w.max {
		w.set(w.max)
	}
}

func (w *width) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.max > 0 && w.now != w.before {
		runtime.GOMAXPROCS(w.before)
	}
	w.max = 0
}

func (w *width) set(n int) {
	runtime.GOMAXPROCS(n)
	w.now = n
	w.width.Store(int32(n))
	w.board.Set(handoff.Width, n)
}

// ran is told when a request came, and how long it waited between its head and its
// handler. The wait counts when we were at work for as long meanwhile: on a busy
// machine requests wait for other programs, which a greater width cannot help.
func (w *width) ran(came, waited int64) {
	now := came + waited
	switch {
	case waited < int64(tooLong):
	case w.width.Load() > 1 && now-w.late.Load() < int64(quiet)/4: // it is wide, and lately had to be
	case w.usedSince(came) >= int64(tooLong):
		w.wasLate(now)
	}
}

// found is told when the poller found events. While a handler keeps the processor
// the poller does not run either, and requests wait unseen in their sockets: so a
// long time without events counts as a wait if we were at work for as long, and for a
// good part of it. (Not for all: other programs may want the processor as well.)
func (w *width) found() {
	if !w.ours {
		return
	}
	now := handoff.Now()
	if last := w.last(); now-last.at > int64(sampling) {
		next := sample{now, processTime()}
		used, rest := next.used-last.used, float64(now-last.at)*busyShare
		if now-w.polled > int64(tooLong) && used > int64(tooLong) && float64(used) > rest {
			w.wasLate(now)
		}
		w.sample(next)
	}
	w.polled = now
}

// A sample is the processor time that the process had used at a time.
type sample struct{ at, used int64 }

func processTime() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
	return ts.Nano()
}

// last is the newest sample. Only the poller takes samples, and may look without mu.
func (w *width) last() sample { return w.samples[0] }

// sample remembers s, and forgets the oldest.
func (w *width) sample(s sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	copy(w.samples[1:], w.samples[:])
	w.samples[0] = s
}

// usedSince is the processor time of the process since then, or since the oldest
// sample, if that is newer.
func (w *width) usedSince(then int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.max == 0 {
		return 0
	}
	i := 0
	for i < len(w.samples)-1 && w.samples[i].at > then {
		i++
	}
	return processTime() - w.samples[i].used
}

// wasLate is told that a request waited too long.
func (w *width) wasLate(now int64) {
	w.late.Store(now)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.max == 0 || w.now >= w.max || w.changed != 0 && now-w.changed < int64(quiet) && w.lowered != w.changed {
		return
	}
	switch {
	case w.lowered == 0:
	case now-w.lowered < int64(2*w.patience):
		w.patience = min(2*w.patience, quietLimit)
	default:
		w.patience = max(w.patience/2, quiet)
	}
	w.changed = now
	w.set(w.max)
}

// tick is called by the sweep.
func (w *width) tick(now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.max == 0 || w.now == 1 || now-max(w.late.Load(), w.changed) < int64(w.patience) {
		return
	}
	w.changed, w.lowered = now, now
	w.set(w.now - 1)
}
