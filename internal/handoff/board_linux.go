// The scoreboard: memory that a worker writes and its supervisor reads.

package handoff

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Layout is the version of the scoreboard's layout. The worker writes the one that
// it knows; the memory is zero before.
const Layout = 1

// Rows is how many requests in flight have a row of the table. Further ones are
// counted as [Untracked].
const Rows = 1024

const (
	magic    = 0x41505044 << 32 // "APPD", above the layout's version
	textSize = 512 - 5*8        // what is left of a row for its texts
)

// memory is the layout of the scoreboard. Everything is written and read in words
// of 64 bits, so that it looks the same from any Go version.
type memory struct {
	layout   uint64 // magic | Layout once the worker is there
	state    uint64 // State
	beat     int64  // Now of the last heartbeat
	high     uint64 // rows that were ever used; a reader need not touch the others
	gauges   Gauges
	counters Counters
	_        [4096 - (4+int(numGauges))*8 - int(unsafe.Sizeof(Counters{}))]byte
	rows     [Rows]row
}

// row is one request in flight. seq is odd while the row is being filled; what
// changes later is one word each.
type row struct {
	seq   uint64
	start int64  // Now at Begin, 0 when the row is free
	clock uint64 // see Row.Pause
	limit int64  // nanoseconds, 0 for none
	meta  uint64 // protocol and the lengths of the texts
	text  [textSize / 8]uint64
}

const boardSize = int(unsafe.Sizeof(memory{}))

// State is what a worker says of itself.
type State uint64

// The states of a worker, as it sees itself.
const (
	Starting State = iota // loading the application
	Serving               // accepting
	Pausing               // not accepting because a request is stuck
	Leaving               // draining
)

// Board is the worker's side of the scoreboard. Its methods cost no system call
// and take no lock; they may be called from any goroutine.
type Board struct {
	mem  *memory
	free atomic.Uint64       // head of the list of free rows: tag<<32 | index+1
	next [Rows]atomic.Uint32 // index+1 of the next free row
}

// OpenBoard maps the scoreboard that was handed over as fd, which it closes. With
// fd 0 the board is private memory: a worker without a supervisor counts as well.
func OpenBoard(fd int) (*Board, error) {
	flags := unix.MAP_SHARED
	if fd == 0 {
		fd, flags = -1, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS
	} else {
		defer unix.Close(fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, fmt.Errorf("handoff: scoreboard: %w", err)
		}
		if st.Size < int64(boardSize) {
			return nil, fmt.Errorf("handoff: scoreboard has %d bytes, layout %d needs %d", st.Size, Layout, boardSize)
		}
	}
	p, err := unix.Mmap(fd, 0, boardSize, unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		return nil, fmt.Errorf("handoff: scoreboard: %w", err)
	}
	return newBoard((*memory)(unsafe.Pointer(&p[0]))), nil
}

func newBoard(mem *memory) *Board {
	b := &Board{mem: mem}
	for i := range Rows - 1 {
		b.next[i].Store(uint32(i) + 2)
	}
	b.free.Store(1)
	atomic.StoreInt64(&mem.beat, Now())
	atomic.StoreUint64(&mem.layout, magic|Layout)
	return b
}

// SetState shows what the worker is doing.
func (b *Board) SetState(s State) { atomic.StoreUint64(&b.mem.state, uint64(s)) }

// Beat shows that the worker is alive. Whoever turns its event loop calls it, at
// least once a second.
func (b *Board) Beat(now int64) { atomic.StoreInt64(&b.mem.beat, now) }

// Add counts n of an event.
func (b *Board) Add(e Event, n int) { atomic.AddUint64(&b.mem.counters.Events[e], uint64(n)) }

// Adjust moves a gauge by n.
func (b *Board) Adjust(g Gauge, n int) { atomic.AddInt64(&b.mem.gauges[g], int64(n)) }

// Set sets a gauge to n.
func (b *Board) Set(g Gauge, n int) { atomic.StoreInt64(&b.mem.gauges[g], int64(n)) }

// Gauge returns a gauge.
func (b *Board) Gauge(g Gauge) int { return int(atomic.LoadInt64(&b.mem.gauges[g])) }

// Served counts a finished request: protocol as in [Protocols], status 0 when
// there was no complete answer.
func (b *Board) Served(protocol uint8, status int, took time.Duration) {
	class := status / 100
	if class < 0 || class >= numClasses {
		class = 0
	}
	atomic.AddUint64(&b.mem.counters.Requests[protocol%numProtocols][class], 1)
	b.mem.counters.Durations.observe(took)
}

// Waited counts the time that a request spent in a queue before its handler began.
func (b *Board) Waited(d time.Duration) { b.mem.counters.Waits.observe(d) }

// Counters returns a copy of the totals.
func (b *Board) Counters() Counters { return b.mem.counters.load() }

// paused marks a clock that stands; the other bits are the time used so far. Those
// of a running clock are the moment at which it would have started without pauses.
const paused = 1 << 63

func used(clock uint64, now int64) time.Duration {
	if clock&paused != 0 {
		return time.Duration(clock &^ paused)
	}
	return time.Duration(max(now-int64(clock&math.MaxInt64), 0))
}
