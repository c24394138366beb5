package status

import (
	"context"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/supervisor"
)

// noon is the time of the fixture.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixture is a snapshot with something of everything, evil texts among it.
func fixture() supervisor.Snapshot {
	busy := handoff.Counters{}
	busy.Requests[1] = [6]uint64{1: 0, 2: 120000, 3: 400, 4: 70, 5: 3}
	busy.Requests[3] = [6]uint64{0: 2, 2: 4000}
	busy.Events[handoff.Accepted] = 512
	busy.Events[handoff.WokenUp] = 530
	busy.Events[handoff.BytesIn] = 50 << 20
	busy.Events[handoff.BytesOut] = 900 << 20
	busy.Durations.Buckets[3] = 120000
	busy.Durations.Buckets[9] = 4475
	busy.Durations.Sum = uint64(500 * time.Second)
	gone := handoff.Counters{}
	gone.Requests[1][2] = 1000000
	gone.Events[handoff.Panicked] = 4
	return supervisor.Snapshot{
		App: "shop", Kind: supervisor.KindGo, PID: 4700, Started: noon.Add(-76 * time.Hour), Generation: 4, Ready: true, Wanted: 3,
		Workers: []supervisor.WorkerStatus{
			{
				Slot: 0, Generation: 4, PID: 4801, State: "ready", Since: noon.Add(-time.Hour), Started: noon.Add(-time.Hour), Requests: 124475, Errors: 5,
				InFlight: []supervisor.RequestStatus{
					{ID: "7f3a9c", Protocol: "fastcgi", Remote: "192.0.2.7", Method: "GET", Path: "/report?year=2026", Age: 12300 * time.Millisecond, Owned: 12300 * time.Millisecond, Limit: 30 * time.Second},
					{ID: "\x1b[2J", Remote: "2001:db8::1", Method: "POST", Path: "/<script>alert(1)</script>\n\xff", Age: 70 * time.Second, Owned: 400 * time.Millisecond, Paused: true},
				},
				Beat: 300 * time.Millisecond, PSS: 40 << 20, CPU: 252 * time.Second, Counters: busy, Gauges: handoff.Gauges{handoff.Open: 18, handoff.Idle: 15, handoff.Active: 3, handoff.Width: 1},
			},
			{Slot: 1, Generation: 3, PID: 4712, State: "draining", Reason: supervisor.Reloaded, Started: noon.Add(-50 * time.Hour), Since: noon.Add(-3 * time.Second), Beat: 9 * time.Second, PSS: 39 << 20, CPU: time.Second},
			{Slot: 1, Generation: 4, PID: 4802, State: "starting", Started: noon.Add(-500 * time.Millisecond), Since: noon.Add(-500 * time.Millisecond), PSS: 900 << 10},
			{Slot: 2, Generation: 4, State: "waiting", Reason: supervisor.Crashed, Restarts: 3, Since: noon},
		},
		Listeners: []supervisor.ListenerStatus{
			{Address: "unix:/run/shop/app.sock", Protocol: "auto", Queue: 7, Limit: 2048},
			{Address: "127.0.0.1:8000", Protocol: "http", Queue: -1, Limit: 4096},
		},
		LastReload: &supervisor.ReloadResult{At: noon.Add(-time.Minute), Took: 1200 * time.Millisecond, Generation: 4, Reason: "appd.hcl:3:1: wokers is not a setting\n        wokers = 3\n", Output: []string{"panic: no database", "\x1b[31mred\x1b[0m\tgoroutine 1"}},
		Deaths: []supervisor.Death{
			{Slot: 2, Generation: 4, PID: 4803, At: noon.Add(-2 * time.Second), Age: 3 * time.Second, Reason: supervisor.Crashed, Code: 2, Requests: 1, Output: []string{"1", "2", "3", "4", "5", "6", "7", "8", "panic: out of luck"}},
			{Slot: 0, Generation: 3, PID: 4711, At: noon.Add(-time.Hour), Age: 75 * time.Hour, Reason: supervisor.Reloaded, Requests: 1000000},
			{
				Slot: 1, Generation: 2, PID: 4500, At: noon.Add(-51 * time.Hour), Age: 20 * time.Minute, Reason: supervisor.TimedOut, Code: -1, Signal: syscall.SIGKILL, By: supervisor.ByUs, Requests: 77, Why: "GET /slow for 31s, limit 30s",
				InFlight: []supervisor.RequestStatus{{Method: "GET", Path: "/slow", Age: 31 * time.Second}},
			},
		},
		Reloads:    map[string]int{"ok": 3, "refused": 1},
		DeathCount: map[supervisor.Reason]int{supervisor.Crashed: 3, supervisor.TimedOut: 1, supervisor.Reloaded: 6},
		Spawned:    14, Gone: gone, GoneCPU: 3600 * time.Second,
	}
}

// moving is a source whose numbers go up and down with the time.
type moving struct {
	mu   sync.Mutex
	at   time.Duration
	snap supervisor.Snapshot
}

// step lets d pass: more requests in the middle of each minute.
func (m *moving) step(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.snap.PID == 0 {
		m.snap = fixture()
	}
	m.at += d
	wave := 1.2 + math.Sin(m.at.Seconds()/60) + 0.2*math.Sin(m.at.Seconds()/3.1)
	n := uint64(900 * wave * d.Seconds())
	w := &m.snap.Workers[0]
	c := &w.Counters
	c.Requests[1][2] += n
	c.Requests[1][3] += n / 12
	c.Requests[1][4] += n / 25
	if m.at%(90*time.Second) < 10*time.Second {
		c.Requests[1][5] += n / 6
	}
	c.Durations.Buckets[3+int(wave)] += n
	c.Durations.Buckets[7+int(2*wave)] += n / 30
	c.Durations.Buckets[1] += n
	c.Events[handoff.BytesOut] += n * 4000
	w.Requests = c.Served()
	w.CPU += time.Duration(float64(d) * 0.35 * wave)
	w.PSS = 40<<20 + int64(3e6*wave)
	w.Gauges[handoff.Active] = int64(4 * wave)
	m.snap.Listeners[0].Queue = max(0, int(20*(wave-1.5)))
}

func (m *moving) source(context.Context) (supervisor.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.snap
	s.Workers = append([]supervisor.WorkerStatus(nil), s.Workers...)
	return s, nil
}
