package handoff

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// boards returns both sides of one scoreboard, each with a mapping of its own.
func boards(t *testing.T) (*Board, *View) {
	t.Helper()
	v, err := CreateBoard()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	fd, err := unix.FcntlInt(uintptr(v.FD()), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenBoard(fd)
	if err != nil {
		t.Fatal(err)
	}
	return b, v
}

func read(t *testing.T, v *View, now int64) *Snapshot {
	t.Helper()
	var s Snapshot
	if err := v.Read(&s, now); err != nil {
		t.Fatal(err)
	}
	return &s
}

func TestBoardBeforeItsWorker(t *testing.T) {
	v, err := CreateBoard()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if s := read(t, v, Now()); s.Opened || s.Beat != 0 || len(s.InFlight) != 0 {
		t.Errorf("Read() = %+v, want an empty snapshot", s)
	}
	for _, size := range []int64{0, int64(boardSize) * 2} {
		if err := unix.Ftruncate(v.FD(), size); err != unix.EPERM {
			t.Errorf("resizing to %d: %v, want EPERM", size, err)
		}
	}
}

func TestBoardShowsWhatTheWorkerCounts(t *testing.T) {
	b, v := boards(t)
	b.SetState(Serving)
	b.Beat(42)
	b.Add(Accepted, 3)
	b.Add(BytesOut, 1<<40)
	b.Set(Width, 4)
	b.Adjust(Open, 2)
	b.Adjust(Open, -1)
	b.Served(1, 200, 90*time.Microsecond)
	b.Served(3, 503, time.Hour)
	b.Served(3, 0, -1)
	b.Waited(3 * time.Millisecond)
	s := read(t, v, Now())
	if !s.Opened || s.State != Serving || s.Beat != 42 || s.Gauges != (Gauges{Open: 1, Width: 4}) {
		t.Errorf("Read() = %+v", s)
	}
	c := &s.Counters
	if c.Events[Accepted] != 3 || c.Events[BytesOut] != 1<<40 || c.Served() != 3 || c.Requests[1][2] != 1 || c.Class(5) != 1 || c.Class(0) != 1 {
		t.Errorf("counters %+v", c)
	}
	d := &c.Durations
	if d.Count() != 3 || d.Buckets[0] != 2 || d.Buckets[len(Bounds)] != 1 || d.Sum != uint64(time.Hour+90*time.Microsecond) {
		t.Errorf("durations %+v", d)
	}
	var total Counters
	total.Add(c)
	total.Add(c)
	if total.Served() != 6 || total.Waits.Buckets[5] != 2 || total.Waits.Sum != uint64(6*time.Millisecond) {
		t.Errorf("sum of two: %+v", total)
	}
}

func TestRequestsInFlight(t *testing.T) {
	b, v := boards(t)
	q := Request{Protocol: 2, Method: "POST", ID: "abc", Remote: "192.0.2.1", Target: "/buy?x=1", Limit: time.Second}
	r := b.Begin(1000, &q)
	s := read(t, v, 1500)
	if want := (InFlight{Request: q, Start: 1000, Used: 500}); len(s.InFlight) != 1 || s.InFlight[0] != want {
		t.Fatalf("in flight %+v, want %+v", s.InFlight, want)
	}

	r.Resume(1550) // a clock that runs is left alone
	r.Pause(1600)
	r.Pause(1900)
	if f := read(t, v, 5000).InFlight[0]; !f.Paused || f.Used != 600 {
		t.Errorf("paused: %+v", f)
	}
	r.Resume(6000)
	r.SetLimit(time.Minute)
	if f := read(t, v, 6100).InFlight[0]; f.Paused || f.Used != 700 || f.Start != 1000 || f.Limit != time.Minute {
		t.Errorf("resumed: %+v", f)
	}
	if n := b.Gauge(Active); n != 1 {
		t.Errorf("active = %d", n)
	}
	r.End()
	if s := read(t, v, 7000); len(s.InFlight) != 0 || s.Gauges[Active] != 0 {
		t.Errorf("after the end: %+v", s)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	b, v := boards(t)
	long := strings.Repeat("long/", 1000)
	b.Begin(1, &Request{Method: long, ID: long, Remote: long, Target: long})
	f := read(t, v, 2).InFlight[0]
	if f.Method != long[:maxMethod] || f.ID != long[:maxID] || f.Remote != long[:maxRemote] || f.Target != long[:textSize-maxMethod-maxID-maxRemote] {
		t.Errorf("%d+%d+%d+%d bytes: %+v", len(f.Method), len(f.ID), len(f.Remote), len(f.Target), f)
	}
	if len(f.Target) != 314 {
		t.Errorf("%d bytes of target, the documentation says 314", len(f.Target))
	}
}

func TestMoreRequestsThanRows(t *testing.T) {
	b, v := boards(t)
	var rows []Row
	for range Rows + 10 {
		rows = append(rows, b.Begin(1, &Request{}))
	}
	last := rows[len(rows)-1]
	last.Pause(2)
	last.Resume(3)
	last.SetLimit(1)
	if last.Tracked() {
		t.Errorf("the last is tracked: %+v", last)
	}
	s := read(t, v, 2)
	if len(s.InFlight) != Rows || s.Gauges[Active] != Rows+10 || s.Counters.Events[Untracked] != 10 {
		t.Errorf("%d rows, %d active, %d untracked", len(s.InFlight), s.Gauges[Active], s.Counters.Events[Untracked])
	}
	for _, r := range rows {
		r.End()
	}
	Row{}.End()
	if s := read(t, v, 2); len(s.InFlight) != 0 || s.Gauges[Active] != 0 {
		t.Errorf("%d rows, %d active after the end", len(s.InFlight), s.Gauges[Active])
	}
}

// A row that is ended twice must not be given to two requests.
func TestAnEndedRowDoesNothing(t *testing.T) {
	b, v := boards(t)
	old := b.Begin(1, &Request{})
	old.End()
	old.End()
	first, second := b.Begin(1, &Request{Target: "/1"}), b.Begin(1, &Request{Target: "/2"})
	if first.i == second.i {
		t.Error("two requests share a row")
	}
	old.End()
	old.SetLimit(1)
	old.Pause(2)
	s := read(t, v, 5)
	if len(s.InFlight) != 2 || s.InFlight[0].Limit != 0 || s.InFlight[0].Paused || s.Gauges[Active] != 2 {
		t.Errorf("in flight %+v, %d active", s.InFlight, s.Gauges[Active])
	}
}

func TestRowsAreReusedLastInFirstOut(t *testing.T) {
	b, v := boards(t)
	for range 10 * Rows {
		r, q := b.Begin(1, &Request{}), b.Begin(1, &Request{})
		r.End()
		q.End()
	}
	if v.mem.high != 2 {
		t.Errorf("two requests at a time used %d rows", v.mem.high)
	}
}

// Many writers and a reader on another mapping: every row that is seen is one that
// somebody wrote, and no two requests share a row.
func TestRowsAreNeverTorn(t *testing.T) {
	b, v := boards(t)
	const writers, rounds = 8, 3000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				text := strings.Repeat(string(rune('a'+w)), 1+i%300)
				r := b.Begin(int64(w+1), &Request{Protocol: uint8(w % 4), Target: text, Method: text, ID: text, Limit: time.Duration(w)})
				r.Pause(int64(w + 1))
				r.End()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var s Snapshot
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
		}
		if err := v.Read(&s, 100); err != nil {
			t.Fatal(err)
		}
		for _, f := range s.InFlight {
			w := int(f.Start - 1)
			letter := string(rune('a' + w))
			whole := strings.Trim(f.Target+f.Method+f.ID, letter) == "" && f.Target != "" && f.Limit == time.Duration(w) && f.Protocol == uint8(w%4)
			if !whole || f.Paused && f.Used != 0 {
				t.Fatalf("torn: %+v", f)
			}
		}
	}
	if s := read(t, v, 100); len(s.InFlight) != 0 || s.Torn != 0 || s.Gauges[Active] != 0 || v.mem.high > writers {
		t.Errorf("at the end %d rows, %d torn, %d active, %d used", len(s.InFlight), s.Torn, s.Gauges[Active], v.mem.high)
	}
}

func TestReaderSurvivesAnyContent(t *testing.T) {
	b, v := boards(t)
	b.Begin(1, &Request{Target: "/"})
	row := &b.mem.rows[0]
	row.meta = ^uint64(0)
	row.clock = ^uint64(0)
	b.mem.high = 1 << 50
	b.mem.rows[1].seq = 7 // died while writing
	s := read(t, v, Now())
	if len(s.InFlight) != 1 || s.Torn != 1 {
		t.Errorf("%d rows, %d torn, want 1 and 1", len(s.InFlight), s.Torn)
	}
	b.mem.layout = magic | 77
	var e Snapshot
	if err := v.Read(&e, Now()); err == nil || !strings.Contains(err.Error(), "layout 77") || !strings.Contains(err.Error(), fmt.Sprint("layout ", Layout)) {
		t.Errorf("Read() of another layout = %v", err)
	}
}

func TestBoardWithoutSupervisor(t *testing.T) {
	b, err := OpenBoard(0)
	if err != nil {
		t.Fatal(err)
	}
	b.Served(1, 200, 1)
	c := b.Counters()
	if c.Served() != 1 {
		t.Errorf("counters %+v", c)
	}
	if _, err := OpenBoard(1 << 20); err == nil {
		t.Error("OpenBoard of no descriptor succeeds")
	}
}

func TestNowIsTheKernelsClock(t *testing.T) {
	var before, after unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
	now := Now()
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
	const slack = int64(10 * time.Millisecond) // far more than the two are apart
	if now < before.Nano()-slack || now > after.Nano()+slack {
		t.Errorf("Now() = %d, not between %d and %d", now, before.Nano(), after.Nano())
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	b, _ := boards(t)
	q := Request{Method: "GET", Target: "/index.html", ID: "0123456789abcdef", Remote: "192.0.2.1"}
	if n := testing.AllocsPerRun(100, func() { request(b, &q) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

// request is what a worker writes for one request.
func request(b *Board, q *Request) {
	now := Now()
	r := b.Begin(now, q)
	b.Add(BytesIn, 400)
	b.Add(BytesOut, 200)
	r.End()
	b.Served(q.Protocol, 200, time.Duration(Now()-now))
}

func BenchmarkRequest(b *testing.B) {
	board, err := OpenBoard(0)
	if err != nil {
		b.Fatal(err)
	}
	q := Request{Protocol: 1, Method: "GET", Target: "/static/some/path?with=query", ID: "0123456789abcdef0123456789abcdef", Remote: "192.0.2.1"}
	for b.Loop() {
		request(board, &q)
	}
}

func BenchmarkRead(b *testing.B) {
	v, err := CreateBoard()
	if err != nil {
		b.Fatal(err)
	}
	fd, _ := unix.Dup(v.FD())
	board, err := OpenBoard(fd)
	if err != nil {
		b.Fatal(err)
	}
	for range 20 {
		board.Begin(1, &Request{Target: "/"})
	}
	var s Snapshot
	for b.Loop() {
		v.Read(&s, 1)
	}
}
