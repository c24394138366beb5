// The table of requests in flight, written by the worker.

package handoff

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// Request is what a row says of a request in flight. Longer texts are cut.
type Request struct {
	Protocol uint8  // as in Protocols
	Method   string // up to 31 bytes
	ID       string // the request id, up to 64 bytes
	Remote   string // the client's address, up to 63 bytes
	Target   string // path and query, what room is left: 314 bytes at least
	Limit    time.Duration
}

// Bounds of the texts in a row; each length must fit its byte of row.meta.
const (
	maxMethod = 31
	maxID     = 64
	maxRemote = 63
)

// Row is a request in flight. The methods of one that found no room, that has ended,
// or that is zero do nothing. Pause and Resume of one row are not called at the same
// time.
type Row struct {
	b   *Board
	seq uint64 // of its row; another one is another request's
	i   uint32
}

// Begin enters a request. Its clock runs from now on. Rows are reused last in,
// first out, so that a quiet worker touches few pages of memory.
func (b *Board) Begin(now int64, q *Request) Row {
	atomic.AddInt64(&b.mem.gauges[Active], 1)
	i, ok := b.pop()
	if !ok {
		b.Add(Untracked, 1)
		return Row{b: b, i: Rows}
	}
	b.raise(uint64(i) + 1)
	return Row{b, b.mem.rows[i].fill(now, q), i}
}

// raise moves the mark of the rows that were ever used.
func (b *Board) raise(n uint64) {
	for {
		high := atomic.LoadUint64(&b.mem.high)
		if n <= high || atomic.CompareAndSwapUint64(&b.mem.high, high, n) {
			return
		}
	}
}

// fill writes a row that nobody else writes. A reader sees an odd or a changed seq
// if it looks meanwhile.
func (r *row) fill(now int64, q *Request) uint64 {
	seq := r.seq
	atomic.StoreUint64(&r.seq, seq+1)
	atomic.StoreInt64(&r.start, now)
	atomic.StoreUint64(&r.clock, uint64(now))
	atomic.StoreInt64(&r.limit, int64(q.Limit))

	atomic.StoreUint64(&r.meta, r.write(q))
	atomic.StoreUint64(&r.seq, seq+2)
	return seq + 2
}

// write writes the texts and returns the word that takes them apart. The stores
// must be seen in program order: on amd64 they always are, elsewhere each word has
// to be a release of its own.
func (r *row) write(q *Request) uint64 {
	if runtime.GOARCH == "amd64" {
		return q.layOut(r.bytes())
	}
	var staged row
	meta := q.layOut(staged.bytes())
	for i, w := range staged.text {
		atomic.StoreUint64(&r.text[i], w)
	}
	return meta
}

func (r *row) bytes() *[textSize]byte { return (*[textSize]byte)(unsafe.Pointer(&r.text)) }

// layOut writes the texts one behind the other.
func (q *Request) layOut(text *[textSize]byte) uint64 {
	method := copy(text[:maxMethod], q.Method)
	id := copy(text[method:method+maxID], q.ID)
	remote := copy(text[method+id:method+id+maxRemote], q.Remote)
	target := copy(text[method+id+remote:], q.Target)
	return uint64(q.Protocol)<<48 | uint64(method)<<40 | uint64(id)<<32 | uint64(remote)<<24 | uint64(target)
}

// End removes the request. It is called once.
func (r Row) End() {
	switch {
	case r.b == nil:
	case r.i == Rows:
		atomic.AddInt64(&r.b.mem.gauges[Active], -1)
	case r.Tracked() && atomic.SwapInt64(&r.b.mem.rows[r.i].start, 0) != 0:
		atomic.AddInt64(&r.b.mem.gauges[Active], -1)
		r.b.push(r.i)
	}
}

// Pause stops the request's clock: the front is sending or taking bytes, or the
// connection has become a tunnel. A clock that stands is left alone.
func (r Row) Pause(now int64) {
	if c := r.clock(); c != nil {
		if v := atomic.LoadUint64(c); v&paused == 0 {
			atomic.StoreUint64(c, paused|uint64(used(v, now)))
		}
	}
}

// Resume lets a clock that stands go on.
func (r Row) Resume(now int64) {
	if c := r.clock(); c != nil {
		if v := atomic.LoadUint64(c); v&paused != 0 {
			atomic.StoreUint64(c, uint64(now)-(v&^paused))
		}
	}
}

// SetLimit gives the request a limit of its own, 0 for none.
func (r Row) SetLimit(d time.Duration) {
	if r.Tracked() {
		atomic.StoreInt64(&r.b.mem.rows[r.i].limit, int64(d))
	}
}

// Tracked says whether the request has a row.
func (r Row) Tracked() bool {
	return r.b != nil && r.i < Rows && atomic.LoadUint64(&r.b.mem.rows[r.i].seq) == r.seq
}

func (r Row) clock() *uint64 {
	if !r.Tracked() {
		return nil
	}
	return &r.b.mem.rows[r.i].clock
}

// pop takes a row off the list of free ones. The tag changes with every pop, so
// that a head which left and came back is not taken for the same.
func (b *Board) pop() (uint32, bool) {
	for {
		head := b.free.Load()
		i := uint32(head)
		if i == 0 {
			return 0, false
		}
		next := (head>>32+1)<<32 | uint64(b.next[i-1].Load())
		if b.free.CompareAndSwap(head, next) {
			return i - 1, true
		}
	}
}

func (b *Board) push(i uint32) {
	for {
		head := b.free.Load()
		b.next[i].Store(uint32(head))
		if b.free.CompareAndSwap(head, head>>32<<32|uint64(i+1)) {
			return
		}
	}
}
