// The number of workers that follows the load, between workers_min and workers_max:
// up quickly while connections wait to be accepted, down slowly.

package supervisor

import "time"

const (
	scaleUpPause   = 500 * time.Millisecond // between two steps up: the last one must boot
	scaleDownAfter = time.Minute            // of little to do
	longWait       = 20 * time.Millisecond  // of requests in the workers, on average
)

// scaler remembers what it needs for a decision. All of it belongs to the loop.
type scaler struct {
	queued int       // looks in a row that found requests waiting
	idle   time.Time // since when fewer workers would do; zero: they would not
	last   time.Time // change of the number
}

func (c *scaler) changed(now time.Time) {
	*c = scaler{last: now}
}

// load is what the decision is made from.
type load struct {
	queue int           // connections waiting to be accepted
	wait  time.Duration // of requests that were taken, until their handler began
	busy  int           // workers with a request in flight
	ready int
}

// waiting says that requests wait for a worker, outside or inside of it.
func (l load) waiting() bool { return l.queue > 0 || l.wait > longWait }

// follow adapts the number of workers.
func (s *Supervisor) follow(now time.Time) {
	if s.cfg.WorkersMax == 0 || !s.alive() || s.stopping != running || s.rolling() || s.paused() {
		return
	}
	n := s.scaler.decide(s.measure(), s.wanted, s.cfg.WorkersMin, s.cfg.WorkersMax, now)
	if n != s.wanted {
		s.resize(n)
	}
}

// measure looks at the queues and the workers.
func (s *Supervisor) measure() (l load) {
	for _, ln := range s.gen.listeners {
		queued, _ := s.sys.depth(ln)
		l.queue += max(queued, 0)
	}
	var sum, count uint64
	for _, w := range s.workers {
		if w.state != ready {
			continue
		}
		l.ready++
		if !w.looked {
			continue
		}
		if len(w.seen.InFlight) > 0 {
			l.busy++
		}
		waits := &w.seen.Counters.Waits
		sum, count = sum+waits.Sum-w.waited.sum, count+waits.Count()-w.waited.count
		w.waited = waited{waits.Sum, waits.Count()}
	}
	if count > 0 {
		l.wait = time.Duration(sum / count)
	}
	return l
}

// waited is what a worker's requests had waited when it was last asked.
type waited struct{ sum, count uint64 }

// decide says how many workers there should be. Waiting that two looks in a row
// find is no burst that is just being accepted; it is answered with as many workers
// as connections wait, at least one, at most twice the present number. One worker less needs a minute in which
// the others would have sufficed with a quarter to spare.
func (c *scaler) decide(l load, wanted, least, most int, now time.Time) int {
	if l.waiting() {
		c.queued++
	} else {
		c.queued = 0
	}
	if l.waiting() || l.busy*4 >= (wanted-1)*3 {
		c.idle = time.Time{}
	} else if c.idle.IsZero() {
		c.idle = now
	}
	switch {
	case c.queued >= 2 && wanted < most && l.ready >= wanted && now.Sub(c.last) >= scaleUpPause:
		return min(wanted+max(1, min(l.queue, wanted)), most)
	case !c.idle.IsZero() && now.Sub(c.idle) >= scaleDownAfter && wanted > least:
		return wanted - 1
	}
	return min(max(wanted, least), most)
}
