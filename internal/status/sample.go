// Rates: what happened between two snapshots.

package status

import (
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/supervisor"
)

// Sample is one point of the graphs. Rates are per second.
type Sample struct {
	At time.Time `json:"at"` // the later of the two snapshots

	Requests float64    `json:"requests"` // finished, of all classes
	Classes  [6]float64 `json:"classes"`  // by status class; 0: no complete answer
	Sent     float64    `json:"sent"`     // bytes
	Received float64    `json:"received"` // bytes

	P50 float64 `json:"p50"` // seconds, of requests that finished; 0 if none did
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`

	InFlight int     `json:"in_flight"`
	Open     int     `json:"open"`  // connections
	Queue    int     `json:"queue"` // connections that wait to be accepted
	Ready    int     `json:"ready"` // workers
	Workers  int     `json:"workers"`
	Memory   int64   `json:"memory"` // bytes of PSS, all workers
	CPU      float64 `json:"cpu"`    // processors in use by the workers
}

// moment is a snapshot with its totals.
type moment struct {
	at   time.Time
	snap supervisor.Snapshot
	sum  handoff.Counters // of the living and the gone
	cpu  time.Duration
}

func newMoment(s supervisor.Snapshot, at time.Time) *moment {
	m := &moment{at: at, snap: s, sum: s.Gone, cpu: s.GoneCPU}
	for i := range s.Workers {
		m.sum.Add(&s.Workers[i].Counters)
		m.cpu += s.Workers[i].CPU
	}
	return m
}

// since is what happened from an earlier moment to m.
func (m *moment) since(before *moment) Sample {
	s := Sample{At: m.at, Workers: len(m.snap.Workers)}
	for i := range m.snap.Workers {
		w := &m.snap.Workers[i]
		s.InFlight += int(w.Gauges[handoff.Active])
		s.Open += int(w.Gauges[handoff.Open])
		s.Memory += w.PSS
		if w.State == "ready" {
			s.Ready++
		}
	}
	for _, l := range m.snap.Listeners {
		s.Queue += max(l.Queue, 0)
	}
	per := m.at.Sub(before.at).Seconds()
	if per <= 0 || m.snap.PID != before.snap.PID { // another supervisor counts anew
		return s
	}
	for class := range s.Classes {
		s.Classes[class] = less(m.sum.Class(class), before.sum.Class(class)) / per
		s.Requests += s.Classes[class]
	}
	s.Sent = less(m.sum.Events[handoff.BytesOut], before.sum.Events[handoff.BytesOut]) / per
	s.Received = less(m.sum.Events[handoff.BytesIn], before.sum.Events[handoff.BytesIn]) / per
	s.CPU = max(0, (m.cpu-before.cpu).Seconds()/per)
	h := difference(&m.sum.Durations, &before.sum.Durations)
	s.P50, s.P90, s.P99 = quantile(&h, 0.5), quantile(&h, 0.9), quantile(&h, 0.99)
	return s
}

// less is a-b, or 0 where a counter went back.
func less(a, b uint64) float64 {
	if a < b {
		return 0
	}
	return float64(a - b)
}

func difference(a, b *handoff.Histogram) (h handoff.Histogram) {
	for i := range h.Buckets {
		h.Buckets[i] = uint64(less(a.Buckets[i], b.Buckets[i]))
	}
	return h
}

// quantile estimates, in seconds, below which duration the part q of all lies: the
// bucket is known, within it durations are taken to be spread evenly. Of the last
// bucket, which has no end, it is the beginning.
func quantile(h *handoff.Histogram, q float64) float64 {
	rank := q * float64(h.Count())
	if rank == 0 {
		return 0
	}
	below := 0.0
	var from time.Duration
	for i, bound := range handoff.Bounds {
		n := float64(h.Buckets[i])
		if n > 0 && below+n >= rank {
			return from.Seconds() + (bound-from).Seconds()*(rank-below)/n
		}
		below += n
		from = bound
	}
	return from.Seconds()
}

// ring holds the latest samples, oldest first.
type ring struct {
	samples [historyLength]Sample
	next    int // where the next one goes
	count   int
}

const (
	// historyStep and historyLength make the graphs reach ten minutes back.
	historyStep   = 2 * time.Second
	historyLength = 300
)

func (r *ring) add(s Sample) {
	r.samples[r.next] = s
	r.next = (r.next + 1) % historyLength
	r.count = min(r.count+1, historyLength)
}

// after returns the samples later than t.
func (r *ring) after(t time.Time) []Sample {
	list := []Sample{}
	for i := range r.count {
		s := r.samples[(r.next-r.count+i+historyLength)%historyLength]
		if s.At.After(t) {
			list = append(list, s)
		}
	}
	return list
}
