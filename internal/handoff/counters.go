// What a worker counts.

package handoff

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Protocols names the first index of [Counters.Requests]; the order is that of
// package cgi.
var Protocols = [numProtocols]string{"auto", "fastcgi", "uwsgi", "http"}

// Bounds are the upper bounds of the buckets of a [Histogram]; one more bucket
// takes what lies above the last.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, 60 * time.Second,
}

const (
	numProtocols = 4
	numClasses   = 6 // 0: no complete answer; 1..5: 1xx..5xx
)

// Event is something that a worker counts besides requests.
type Event int

// The events.
const (
	Accepted  Event = iota // connections accepted
	WokenUp                // returns from waiting for connections
	Adopted                // kept connections taken over from another worker
	Panicked               // handlers that panicked, or raised
	Refused                // connections ended for what the peer sent
	Aborted                // requests given up by the front
	TimedOut               // requests whose timeout cancelled them
	Untracked              // requests that found all rows of the scoreboard taken
	BytesIn                // bytes read from fronts
	BytesOut               // bytes written to fronts
	numEvents
)

// Events names what [Counters.Events] counts, in JSON and in metrics.
var Events = [numEvents]string{
	"accepted", "woken_up", "adopted", "panicked", "refused", "aborted", "timed_out", "untracked", "bytes_in", "bytes_out",
}

// Gauge is a number of a worker that goes up and down.
type Gauge int

// The gauges.
const (
	Open   Gauge = iota // connections
	Idle                // connections that wait for their next request
	Active              // requests in flight, whether or not they have a row
	Width               // requests that can run at a time: GOMAXPROCS, or Python threads
	numGauges
)

// Gauges are the gauges of one worker, indexed by [Gauge].
type Gauges [numGauges]int64

var gaugeNames = [numGauges]string{"open", "idle", "active", "width"}

// Counters are the totals of one worker since it started, or the sum of several.
// In the scoreboard the same struct is written and read word by word.
type Counters struct {
	Requests  [numProtocols][numClasses]uint64 // finished, by protocol and status class
	Events    [numEvents]uint64                // indexed by Event
	Durations Histogram                        // from the complete head to the end of the answer
	Waits     Histogram                        // from arrival to the start of the handler, where it is known
}

// Histogram counts durations by [Bounds].
type Histogram struct {
	Buckets [len(Bounds) + 1]uint64 // each on its own, not cumulative
	Sum     uint64                  // nanoseconds
}

type counterWords [unsafe.Sizeof(Counters{}) / 8]uint64

func (c *Counters) words() *counterWords { return (*counterWords)(unsafe.Pointer(c)) }

// Add adds o to c.
func (c *Counters) Add(o *Counters) {
	for i, v := range o.words() {
		c.words()[i] += v
	}
}

// load returns a copy of counters that somebody may be adding to.
func (c *Counters) load() (copied Counters) {
	for i := range c.words() {
		copied.words()[i] = atomic.LoadUint64(&c.words()[i])
	}
	return copied
}

// Served is the number of finished requests.
func (c *Counters) Served() (n uint64) {
	for _, classes := range c.Requests {
		for _, v := range classes {
			n += v
		}
	}
	return n
}

// Class is the number of finished requests of a status class, 0 to 5.
func (c *Counters) Class(class int) (n uint64) {
	for _, classes := range c.Requests {
		n += classes[class]
	}
	return n
}

// Count is the number of durations in h.
func (h *Histogram) Count() (n uint64) {
	for _, v := range h.Buckets {
		n += v
	}
	return n
}

// observe counts one duration; others may do so at the same time.
func (h *Histogram) observe(d time.Duration) {
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	atomic.AddUint64(&h.Buckets[i], 1)
	atomic.AddUint64(&h.Sum, uint64(max(d, 0)))
}
