// The supervisor's side of the scoreboard.

package handoff

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// View is a scoreboard as its supervisor reads it. What a worker wrote is not
// trusted: no content of the memory can harm the reader, and the seals keep the
// memory from shrinking under it.
type View struct {
	fd  int
	mem *memory
	raw []byte
}

// Snapshot is what a scoreboard said at one moment.
type Snapshot struct {
	Opened   bool // the worker has mapped its scoreboard
	State    State
	Beat     int64 // Now of the last heartbeat
	Gauges   Gauges
	Counters Counters
	InFlight []InFlight // in no order
	Torn     int        // rows that a dead worker left half written
}

// InFlight is a row of the table of requests.
type InFlight struct {
	Request
	Start  int64         // Now at its begin
	Used   time.Duration // what its clock has counted; what Limit bounds
	Paused bool          // the clock stands
}

// CreateBoard makes the scoreboard of one worker process.
func CreateBoard() (*View, error) {
	fd, err := memfd("appd-scoreboard")
	if err != nil {
		return nil, fmt.Errorf("handoff: scoreboard: %w", err)
	}
	v, err := view(fd)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("handoff: scoreboard: %w", err)
	}
	return v, nil
}

// memfd makes a file that can be sealed. Kernels before 6.3 do not know the flag
// that keeps it from being executed.
func memfd(name string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		return unix.MemfdCreate(name, flags)
	}
	return fd, err
}

func view(fd int) (*View, error) {
	if err := unix.Ftruncate(fd, int64(boardSize)); err != nil {
		return nil, err
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, err
	}
	raw, err := unix.Mmap(fd, 0, boardSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &View{fd: fd, mem: (*memory)(unsafe.Pointer(&raw[0])), raw: raw}, nil
}

// FD is the descriptor to hand to the worker, close-on-exec here.
func (v *View) FD() int { return v.fd }

// CloseFD closes the descriptor once the worker has it; the view stays.
func (v *View) CloseFD() {
	if v.fd >= 0 {
		unix.Close(v.fd)
		v.fd = -1
	}
}

// Close ends the view. No other method may follow, or run meanwhile.
func (v *View) Close() {
	v.CloseFD()
	unix.Munmap(v.raw)
	v.mem, v.raw = nil, nil
}

// Read fills s, whose memory it reuses; now gives the requests their age. It never
// waits for the writer. The error is of a worker that writes another layout.
func (v *View) Read(s *Snapshot, now int64) error {
	*s = Snapshot{InFlight: s.InFlight[:0]}
	switch layout := atomic.LoadUint64(&v.mem.layout); layout {
	case 0:
		return nil
	case magic | Layout:
	default:
		return fmt.Errorf("handoff: the worker writes layout %d of the scoreboard, appd reads layout %d", uint32(layout), Layout)
	}
	v.mem.read(s, now)
	return nil
}

func (m *memory) read(s *Snapshot, now int64) {
	s.Opened = true
	s.State = State(atomic.LoadUint64(&m.state))
	s.Beat = atomic.LoadInt64(&m.beat)
	for i := range m.gauges {
		s.Gauges[i] = atomic.LoadInt64(&m.gauges[i])
	}
	s.Counters = m.counters.load()
	for i := range min(atomic.LoadUint64(&m.high), Rows) {
		q, use := m.rows[i].read(now)
		switch use {
		case rowTaken:
			s.InFlight = append(s.InFlight, q)
		case rowTorn:
			s.Torn++
		}
	}
}

type use int

const (
	rowFree use = iota
	rowTaken
	rowTorn // in writing each time it was looked at
)

// read copies a row, again if it changed meanwhile.
func (r *row) read(now int64) (InFlight, use) {
	var copied row
	for range 100 {
		seq := atomic.LoadUint64(&r.seq)
		start := atomic.LoadInt64(&r.start)
		if start == 0 && seq&1 == 0 {
			return InFlight{}, rowFree
		}
		clock, limit := atomic.LoadUint64(&r.clock), atomic.LoadInt64(&r.limit)
		meta := atomic.LoadUint64(&r.meta)
		for i := range copied.text {
			copied.text[i] = atomic.LoadUint64(&r.text[i])
		}
		if seq&1 != 0 || seq != atomic.LoadUint64(&r.seq) {
			continue
		}
		q := InFlight{Start: start, Used: used(clock, now), Paused: clock&paused != 0}
		q.Request = parseRow(meta, copied.bytes()[:])
		q.Limit = time.Duration(limit)
		return q, rowTaken
	}
	return InFlight{}, rowTorn
}

// parseRow takes the texts of a row apart, whatever its lengths say.
func parseRow(meta uint64, text []byte) Request {
	next := func(n uint64) string {
		p := text[:min(int(n), len(text))]
		text = text[len(p):]
		return string(p)
	}
	return Request{
		Protocol: uint8(meta >> 48 % numProtocols),
		Method:   next(meta >> 40 & 0xff),
		ID:       next(meta >> 32 & 0xff),
		Remote:   next(meta >> 24 & 0xff),
		Target:   next(meta & 0xffffff),
	}
}
