package supervisor

import (
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// A kept connection whose worker is busy goes to one that is free, else to one whose
// requests are much younger, else back.
func TestWhoGetsABusyWorkersConnection(t *testing.T) {
	const none = -1
	for name, c := range map[string]struct {
		ages []time.Duration // of the request of each one-thread worker; none: it is free
		want int
	}{
		"alone":                      {[]time.Duration{100 * ms}, 0},
		"a free one":                 {[]time.Duration{100 * ms, ms, none}, 2},
		"a quick one":                {[]time.Duration{100 * ms, 80 * ms, ms}, 2},
		"the quickest":               {[]time.Duration{100 * ms, 30 * ms, ms, 20 * ms}, 2},
		"none is much quicker":       {[]time.Duration{100 * ms, 80 * ms, 300 * ms}, 0},
		"it has become free":         {[]time.Duration{none, ms}, 0},
		"free, and so has it become": {[]time.Duration{none, none}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			world := &fakeWorld{behave: func(*fakeProcess, string) {}}
			l := &listener{}
			gen := &generation{listeners: []*listener{l}, cfg: &Config{App: App{Kind: KindPython}}}
			s := &Supervisor{}
			var fakes []*fakeProcess
			for _, age := range c.ages {
				p := &fakeProcess{world: world, board: &handoff.Snapshot{}}
				p.board.Gauges[handoff.Width] = 1
				if age != none {
					p.board.Gauges[handoff.Active] = 1
					p.board.InFlight = []handoff.InFlight{{Start: handoff.Now() - int64(age)}}
				}
				fakes = append(fakes, p)
				s.workers = append(s.workers, &worker{s: s, gen: gen, proc: p, state: ready})
			}
			s.relieve(s.workers[0], l, message{mail: handoff.Message{Protocol: "fastcgi"}, fds: []int{-1}})
			for i, p := range fakes {
				if got := p.wasTold(string(handoff.Adopt)); got != (i == c.want) {
					t.Errorf("worker %d adopts: %v", i, got)
				}
			}
		})
	}
}

// What a worker offered just before it was told to stop comes back to it when nobody else
// is there; in any other drain it would offer it again, for ever.
func TestAnOfferComesBackInAStop(t *testing.T) {
	for reason, want := range map[Reason]bool{Stopped: true, Reloaded: false} {
		world := &fakeWorld{behave: func(*fakeProcess, string) {}}
		l := &listener{}
		gen := &generation{listeners: []*listener{l}, cfg: &Config{App: App{Kind: KindPython}}}
		p := &fakeProcess{world: world}
		s := &Supervisor{}
		w := &worker{s: s, gen: gen, proc: p, state: draining, reason: reason}
		s.workers = []*worker{w}
		s.read(w, message{event: evMail, mail: handoff.Message{Kind: handoff.Passed}, fds: []int{-1}})
		s.read(w, message{event: evMail, mail: handoff.Message{Kind: handoff.Fence}})
		if got := p.wasTold(string(handoff.Adopt)); got != want {
			t.Errorf("%s: it comes back: %v", reason, got)
		}
		if heard := p.heard(); heard[len(heard)-1] != string(handoff.Fenced) {
			t.Errorf("told %q", heard)
		}
	}
}
