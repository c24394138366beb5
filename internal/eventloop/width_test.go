//go:build linux

package eventloop

import (
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// A worker begins with one processor, takes more while requests keep others
// waiting, and gives them back.
func TestWidthFollowsTheRequests(t *testing.T) {
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	r := start(t, cgi.HTTP, func(c *Config) { c.MaxProcs = 2 }, func(x *Exchange) {
		for began := time.Now(); time.Since(began) < 30*time.Millisecond; { // keeps the processor
		}
		echo(x)
	})
	if n := runtime.GOMAXPROCS(0); n != 1 {
		t.Errorf("begins with %d", n)
	}
	becomes := func(wide bool) {
		t.Helper()
		for limit := time.Now().Add(patience); r.board.Gauge(handoff.Width) > 1 != wide; {
			if time.Now().After(limit) {
				t.Fatalf("width %d", r.board.Gauge(handoff.Width))
			}
			if wide {
				for range 4 {
					c := r.dial(t)
					io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
					defer io.Copy(io.Discard, c)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	becomes(true)
	becomes(false)
	r.Close()
	if n := runtime.GOMAXPROCS(0); n != 4 {
		t.Errorf("leaves %d behind, found 4", n)
	}
}

// The share follows the number of workers, unless a person chose GOMAXPROCS.
func TestWidthFollowsTheShare(t *testing.T) {
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	board, err := handoff.OpenBoard(0)
	if err != nil {
		t.Fatal(err)
	}
	var w width
	w.start(3, board)
	w.wasLate(1)
	for _, tt := range []struct{ share, want int }{{5, 4}, {1, 2}, {0, 2}, {3, 2}} {
		if w.limit(tt.share); runtime.GOMAXPROCS(0) != tt.want {
			t.Errorf("GOMAXPROCS %d with a share of %d, want %d", runtime.GOMAXPROCS(0), tt.share, tt.want)
		}
	}
	w.wasLate(handoff.Now())
	if n := runtime.GOMAXPROCS(0); n != 4 {
		t.Errorf("GOMAXPROCS %d after a wait, want 4, one more than the share", n)
	}
	w = width{}
	w.start(0, board)
	if w.limit(1); runtime.GOMAXPROCS(0) != 4 {
		t.Error("changed what a person chose")
	}
}

// The rules, with a clock of our own.
func TestWidthRules(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	board, err := handoff.OpenBoard(0)
	if err != nil {
		t.Fatal(err)
	}
	var w width
	w.start(0, board)
	w.ran(0, int64(time.Hour))
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("changed GOMAXPROCS to %d although a person chose it", n)
	}
	w = width{}
	w.start(2, board)
	came := handoff.Now()
	w.sample(sample{came - 1, processTime() - int64(tooLong)}) // at work for as long since then
	w.sample(sample{came + 1, processTime()})
	w.ran(came, int64(tooLong)-1)
	if w.now != 1 {
		t.Error("a short wait widens")
	}
	w.ran(came+2, int64(tooLong)+int64(time.Hour))
	if w.now != 1 {
		t.Error("a long wait widens although other programs had the processors")
	}
	w.ran(came, int64(tooLong))
	w.ran(came, int64(tooLong))
	if w.now != 3 {
		t.Errorf("width %d after a long wait, want 3, one more than the share", w.now)
	}
	now := max(w.changed, w.late.Load())
	w.tick(now + int64(quiet) - 1)
	if w.now != 3 {
		t.Error("narrower within a second")
	}
	for want := 2; want >= 1; want-- {
		now += int64(quiet)
		if w.tick(now); w.now != want {
			t.Errorf("width %d after a quiet second, want %d", w.now, want)
		}
	}
	w.wasLate(now + 1) // too early: it will be kept longer this time
	if w.now != 3 || w.patience != 2*quiet {
		t.Errorf("width %d, patience %v", w.now, w.patience)
	}
	for _, want := range []time.Duration{4 * quiet, 8 * quiet} { // a crowd every now and then
		now += int64(time.Hour)
		w.tick(now)
		w.tick(now + int64(time.Hour))
		now += int64(time.Hour)
		if w.wasLate(now + 1); w.now != 3 || w.patience != want {
			t.Errorf("width %d, patience %v, want %v", w.now, w.patience, want)
		}
	}
	for _, want := range []time.Duration{4 * quiet, 2 * quiet, quiet, quiet} { // narrow for hours, and that was enough
		now += int64(time.Hour)
		w.tick(now)
		now += int64(time.Hour)
		w.tick(now)
		now += int64(3 * time.Hour)
		if w.wasLate(now); w.now != 3 || w.patience != want {
			t.Errorf("width %d, patience %v, want %v", w.now, w.patience, want)
		}
	}
	w.end()
}

// A handler that keeps the processor keeps the poller from finding requests, too.
func TestWidthWhenNothingWasFound(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	board, err := handoff.OpenBoard(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		what     string
		gap, cpu time.Duration // so far; what the test itself takes is added
		want     int32
	}{
		{"at work all along", 50 * time.Millisecond, 40 * time.Millisecond, 3},
		{"at work, with one processor for many programs", 50 * time.Millisecond, 20 * time.Millisecond, 3},
		{"few requests, and something in the background", time.Hour, time.Minute, 1},
		{"nothing to do, or no processor", 50 * time.Millisecond, -time.Minute, 1},
		{"found something just now", 0, 40 * time.Millisecond, 1},
	} {
		var w width
		w.start(2, board)
		now := handoff.Now()
		w.sample(sample{now - int64(max(q.gap, 50*time.Millisecond)), processTime() - int64(q.cpu)})
		if w.polled = now - int64(q.gap); q.gap == 0 {
			w.polled = now + int64(time.Hour) // however long the test itself takes
		}
		if w.found(); w.width.Load() != q.want {
			t.Errorf("%s: width %d, want %d", q.what, w.width.Load(), q.want)
		}
		w.end()
	}
}
