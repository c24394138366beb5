// The snapshot as Prometheus metrics.

package status

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/supervisor"
)

// Source gives the state of everything, as Supervisor.Status does.
type Source func(context.Context) (supervisor.Snapshot, error)

// patience is how long a page or a scrape waits for the supervisor.
const patience = 5 * time.Second

// collector turns snapshots into metrics: one snapshot a scrape.
type collector struct {
	source  Source
	version string

	mu  sync.Mutex
	cpu time.Duration // guarded by mu: as it was shown last
}

// newCollector makes a collector; version is appd's.
func newCollector(source Source, version string) *collector {
	return &collector{source: source, version: version}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("appd_"+name, help, labels, nil)
}

// The metrics. Times are in seconds, sizes in bytes.
var (
	descInfo       = desc("info", "What runs; always 1.", "version", "app", "kind")
	descUp         = desc("up", "Whether the supervisor answered.")
	descReady      = desc("ready", "Whether requests are served: a worker is ready and no stop has begun.")
	descStart      = desc("start_time_seconds", "When the supervisor was started, in seconds since 1970.")
	descGeneration = desc("generation", "Which load of the code is in force.")

	descWanted  = desc("workers_wanted", "How many workers there should be.")
	descWorkers = desc("workers", "Workers by state.", "state")
	descSpawned = desc("worker_spawns_total", "Worker processes started.")
	descDeaths  = desc("worker_deaths_total", "Worker processes that ended, by reason.", "reason")
	descBeat    = desc("worker_heartbeat_age_seconds", "Time since the last heartbeat of a worker process, the longest of its slot.", "worker")
	descMemory  = desc("worker_memory_bytes", "Proportional set size of the processes in a slot.", "worker")
	descWidth   = desc("worker_parallelism", "Requests that the processes in a slot can run at a time: GOMAXPROCS, or Python threads.", "worker")
	descCPU     = desc("cpu_seconds_total", "User and system time of all worker processes.")

	descReloads  = desc("reloads_total", "Reloads by result.", "result")
	descReloadOK = desc("last_reload_success", "Whether the last reload was done; 1 before the first.")
	descReloadAt = desc("last_reload_time_seconds", "When the last reload ended, in seconds since 1970; 0 before the first.")

	descRequests  = desc("requests_total", "Finished requests by protocol and status class; none is one without a complete answer.", "protocol", "status")
	descDurations = desc("request_duration_seconds", "Time from a complete request head to the end of the answer.")
	descWaits     = desc("request_wait_seconds", "Time that requests waited for their handler to start.")
	descInFlight  = desc("requests_in_flight", "Requests being served.")

	descOpen  = desc("connections_open", "Open connections from fronts.")
	descIdle  = desc("connections_idle", "Connections that wait for their next request.")
	descQueue = desc("accept_queue_length", "Connections that wait to be accepted.", "listener", "protocol")
	descLimit = desc("accept_queue_limit", "Connections that may wait to be accepted.", "listener", "protocol")

	descEvents = [...]*prometheus.Desc{
		handoff.Accepted:  desc("connections_accepted_total", "Connections accepted."),
		handoff.WokenUp:   desc("accept_wakeups_total", "Times that a worker woke up for a new connection, in vain or not."),
		handoff.Adopted:   desc("connections_adopted_total", "Kept connections that a worker took over from another."),
		handoff.Panicked:  desc("requests_panicked_total", "Requests whose handler panicked or raised."),
		handoff.Refused:   desc("connections_refused_total", "Connections ended for what the peer sent."),
		handoff.Aborted:   desc("requests_aborted_total", "Requests given up by the front."),
		handoff.TimedOut:  desc("requests_timed_out_total", "Requests cancelled for their timeout."),
		handoff.Untracked: desc("requests_untracked_total", "Requests that found no room in the table of requests in flight."),
		handoff.BytesIn:   desc("received_bytes_total", "Bytes read from fronts."),
		handoff.BytesOut:  desc("sent_bytes_total", "Bytes written to fronts."),
	}
)

// States and reasons that are shown even while nothing is counted for them, so
// that rates over them work from the first time on.
var (
	states  = []string{"starting", "ready", "draining", "waiting"}
	reasons = []supervisor.Reason{
		supervisor.Crashed, supervisor.Left, supervisor.BootFailed, supervisor.BootTimeout, supervisor.TimedOut, supervisor.Silent,
		supervisor.MaxRequests, supervisor.MaxAge, supervisor.MaxMemory, supervisor.Outdated, supervisor.Reloaded, supervisor.Abandoned,
		supervisor.ScaledDown, supervisor.Stopped, supervisor.Upgraded, supervisor.Killed, supervisor.OutOfMemory,
	}
	classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descInfo, descUp, descReady, descStart, descGeneration, descWanted, descWorkers, descSpawned, descDeaths, descBeat,
		descMemory, descWidth, descCPU, descReloads, descReloadOK, descReloadAt, descRequests, descDurations, descWaits,
		descInFlight, descOpen, descIdle, descQueue, descLimit,
	} {
		ch <- d
	}
	for _, d := range descEvents {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := c.source(ctx)
	out := metrics{ch}
	if err != nil {
		out.gauge(descUp, 0)
		return
	}
	out.gauge(descUp, 1)
	out.gauge(descInfo, 1, c.version, s.App, string(s.Kind))
	m := newMoment(s, time.Now())
	m.cpu = c.growing(m.cpu)
	out.life(m)
	out.slots(m)
	out.traffic(m)
	for _, l := range s.Listeners {
		if l.Queue >= 0 {
			out.gauge(descQueue, float64(l.Queue), l.Address, l.Protocol)
		}
		out.gauge(descLimit, float64(l.Limit), l.Address, l.Protocol)
	}
}

// growing keeps the CPU time from going back for a moment: between the end of a
// process and its being counted among the gone.
func (c *collector) growing(cpu time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cpu = max(c.cpu, cpu)
	return c.cpu
}

// metrics sends metrics of one scrape.
type metrics struct {
	ch chan<- prometheus.Metric
}

func (m metrics) gauge(d *prometheus.Desc, v float64, labels ...string) {
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (m metrics) counter(d *prometheus.Desc, v float64, labels ...string) {
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

// life sends what concerns the supervisor and the lives of workers.
func (m metrics) life(now *moment) {
	s := &now.snap
	m.gauge(descReady, number(s.Ready))
	m.gauge(descStart, seconds(s.Started))
	m.gauge(descGeneration, float64(s.Generation))
	m.gauge(descWanted, float64(s.Wanted))
	m.counter(descSpawned, float64(s.Spawned))
	m.counter(descCPU, now.cpu.Seconds())

	count := map[string]int{}
	for i := range s.Workers {
		count[s.Workers[i].State]++
	}
	for _, state := range states {
		m.gauge(descWorkers, float64(count[state]), state)
	}
	for _, reason := range reasons {
		m.counter(descDeaths, float64(s.DeathCount[reason]), string(reason))
	}
	for _, result := range []string{"ok", "refused"} {
		m.counter(descReloads, float64(s.Reloads[result]), result)
	}
	ok, at := true, time.Unix(0, 0)
	if r := s.LastReload; r != nil {
		ok, at = r.OK, r.At
	}
	m.gauge(descReloadOK, number(ok))
	m.gauge(descReloadAt, seconds(at))
}

// slots sends what is told by slot; two processes share one while the second
// replaces the first.
func (m metrics) slots(now *moment) {
	type sums struct {
		beat   time.Duration
		memory int64
		width  int64
	}
	bySlot := map[int]sums{}
	for i := range now.snap.Workers {
		w := &now.snap.Workers[i]
		v := bySlot[w.Slot]
		bySlot[w.Slot] = sums{max(v.beat, w.Beat), v.memory + w.PSS, v.width + w.Gauges[handoff.Width]}
	}
	for slot, v := range bySlot {
		label := strconv.Itoa(slot)
		m.gauge(descBeat, v.beat.Seconds(), label)
		m.gauge(descMemory, float64(v.memory), label)
		m.gauge(descWidth, float64(v.width), label)
	}
}

// traffic sends what all workers, the gone ones too, have counted.
func (m metrics) traffic(now *moment) {
	for p, byClass := range now.sum.Requests {
		for class, n := range byClass {
			if p == 0 && n == 0 {
				continue // no request is of an unknown protocol unless something is odd
			}
			m.counter(descRequests, float64(n), handoff.Protocols[p], classes[class])
		}
	}
	for event, d := range descEvents {
		m.counter(d, float64(now.sum.Events[event]))
	}
	m.histogram(descDurations, &now.sum.Durations)
	m.histogram(descWaits, &now.sum.Waits)
	var gauges handoff.Gauges
	for i := range now.snap.Workers {
		for g, v := range now.snap.Workers[i].Gauges {
			gauges[g] += v
		}
	}
	m.gauge(descInFlight, float64(gauges[handoff.Active]))
	m.gauge(descOpen, float64(gauges[handoff.Open]))
	m.gauge(descIdle, float64(gauges[handoff.Idle]))
}

func (m metrics) histogram(d *prometheus.Desc, h *handoff.Histogram) {
	buckets, below := map[float64]uint64{}, uint64(0)
	for i, bound := range handoff.Bounds {
		below += h.Buckets[i]
		buckets[bound.Seconds()] = below
	}
	m.ch <- prometheus.MustNewConstHistogram(d, h.Count(), time.Duration(h.Sum).Seconds(), buckets)
}

func number(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
