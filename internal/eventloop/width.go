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
	busyShare  = 0.6                  // of the processors, from which they count as busy
	tooLong    = 5 * time.Millisecond // that a request which could run waits
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

	// Only the poller uses these.
	polled int64 // when it last had events
	read   int64 // when it last read the processor time of the process,
	used   int64 // and what that was

	width atomic.Int32 // is now

	mu       sync.Mutex
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
		w.max = most + 1
	}
	if w.max > 0 && w.now != 1 {
		w.set(1)
	}
	w.width.Store(int32(w.now))
	board.Set(handoff.Width, w.now)
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

// ran is told how long a request waited between its head and its handler.
func (w *width) ran(waited int64) {
	if waited < int64(tooLong) {
		return
	}
	w.wasLate(handoff.Now())
}

// found is told when the poller found events. While a handler keeps the processor
// the poller does not run either, and requests wait unseen in their sockets: so a
// long time without events in which the processors of this width were busy all
// along counts as a wait.
func (w *width) found() {
	if w.max == 0 {
		return
	}
	now := handoff.Now()
	if now-w.read > int64(time.Millisecond) {
		var ts unix.Timespec
		unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
		busy := int64(float64(now-w.read) * busyShare * float64(w.width.Load()))
		if now-w.polled > int64(tooLong) && ts.Nano()-w.used > busy {
			w.wasLate(now)
		}
		w.read, w.used = now, ts.Nano()
	}
	w.polled = now
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
