// Counters and gauges as JSON: by name, so that people and programs can read them,
// and without what is zero.

package handoff

import (
	"encoding/json"
	"time"
)

// classNames are the status classes of [Counters.Requests].
var classNames = [numClasses]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// countersJSON is Counters by name.
type countersJSON struct {
	Requests  map[string]map[string]uint64 `json:"requests"`
	Events    map[string]uint64            `json:"events"`
	Durations histogramJSON                `json:"durations"`
	Waits     histogramJSON                `json:"waits"`
}

type histogramJSON struct {
	Count   uint64       `json:"count"`
	Seconds float64      `json:"seconds"`
	Sum     uint64       `json:"nanoseconds"`
	Buckets []bucketJSON `json:"buckets,omitempty"`
}

type bucketJSON struct {
	Bound string `json:"le"`
	Count uint64 `json:"count"`
}

// above is the bound of the bucket without one.
const above = "+Inf"

// MarshalJSON implements json.Marshaler.
func (c Counters) MarshalJSON() ([]byte, error) {
	j := countersJSON{Requests: map[string]map[string]uint64{}, Durations: c.Durations.json(), Waits: c.Waits.json()}
	for p, classes := range c.Requests {
		if m := named(classNames[:], classes[:]); len(m) > 0 {
			j.Requests[Protocols[p]] = m
		}
	}
	j.Events = named(Events[:], c.Events[:])
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler; unknown names are left out.
func (c *Counters) UnmarshalJSON(p []byte) error {
	var j countersJSON
	if err := json.Unmarshal(p, &j); err != nil {
		return err
	}
	*c = Counters{Durations: j.Durations.histogram(), Waits: j.Waits.histogram()}
	for p, name := range Protocols {
		unnamed(c.Requests[p][:], classNames[:], j.Requests[name])
	}
	unnamed(c.Events[:], Events[:], j.Events)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (g Gauges) MarshalJSON() ([]byte, error) { return json.Marshal(named(gaugeNames[:], g[:])) }

// UnmarshalJSON implements json.Unmarshaler.
func (g *Gauges) UnmarshalJSON(p []byte) error {
	var m map[string]int64
	err := json.Unmarshal(p, &m)
	*g = Gauges{}
	unnamed(g[:], gaugeNames[:], m)
	return err
}

func (h *Histogram) json() histogramJSON {
	j := histogramJSON{Count: h.Count(), Seconds: time.Duration(h.Sum).Seconds(), Sum: h.Sum}
	for i, n := range h.Buckets {
		if n > 0 {
			j.Buckets = append(j.Buckets, bucketJSON{bound(i), n})
		}
	}
	return j
}

func (j *histogramJSON) histogram() Histogram {
	h := Histogram{Sum: j.Sum}
	for i := range h.Buckets {
		for _, b := range j.Buckets {
			if b.Bound == bound(i) {
				h.Buckets[i] = b.Count
			}
		}
	}
	return h
}

func bound(i int) string {
	if i == len(Bounds) {
		return above
	}
	return Bounds[i].String()
}

// named makes a map of the values that are not zero.
func named[T int64 | uint64](names []string, values []T) map[string]T {
	m := map[string]T{}
	for i, v := range values {
		if v != 0 {
			m[names[i]] = v
		}
	}
	return m
}

func unnamed[T int64 | uint64](values []T, names []string, m map[string]T) {
	for i, name := range names {
		values[i] = m[name]
	}
}
