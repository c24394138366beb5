package supervisor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

func TestScale(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 2}, w, func() {
		w.after(time.Second)
		w.s.Scale(context.Background(), 4)
		w.after(time.Second)
		w.want("0/1 ready", "1/1 ready", "2/1 ready", "3/1 ready")
		if !w.all()[0].wasTold("resize") {
			t.Error("a worker does not learn that it has siblings")
		}
		w.s.Scale(context.Background(), 1)
		w.after(time.Second)
		w.want("0/1 ready")
		if err := w.s.Scale(context.Background(), maxWorkers+1); err == nil {
			t.Errorf("Scale(%d) was accepted", maxWorkers+1)
		}
		if err := w.s.Scale(context.Background(), 0); err == nil {
			t.Error("scaled to nothing")
		}
		w.s.Reload(context.Background())
		w.after(time.Second)
		w.want("0/2 ready", "1/2 ready")
	})
	if n := strings.Count(strings.Join(w.hooks, " "), "nworkers_changed"); n != 3 {
		t.Errorf("hooks %q", w.hooks)
	}
}

func TestDrainAllAndBack(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 2}, w, func() {
		w.after(time.Second)
		send := func(f func()) {
			w.s.post(message{do: f})
			w.after(time.Second)
		}
		send(w.s.drainAll)
		w.want()
		send(func() { w.s.addWorkers(1) })
		w.want("0/1 ready", "1/1 ready")
		send(w.s.drainAll)
		send(func() { w.s.reload(nil) })
		w.want("0/2 ready", "1/2 ready")
		send(func() { w.s.addWorkers(-1); w.s.addWorkers(-1); w.s.addWorkers(-1) })
		w.want("0/2 ready")
	})
}

func TestWorkersFollowTheQueue(t *testing.T) {
	w := &fakeWorld{}
	cfg := Config{Workers: 1, WorkersMin: 1, WorkersMax: 6, Listeners: []Listener{{Worker: handoff.Listener{Address: "a"}}}}
	inWorld(t, cfg, w, func() {
		w.after(1500 * ms)
		w.want("0/1 ready")
		w.set(func() { w.queue = 10 })
		w.after(10 * time.Second)
		if n := len(w.workers()); n != 6 {
			t.Errorf("%d workers for a full queue", n)
		}
		w.set(func() { w.queue = 0 })
		w.after(50 * time.Second)
		if n := len(w.workers()); n != 6 {
			t.Errorf("%d workers: gone too early", n)
		}
		w.after(10 * time.Minute)
		if n := len(w.workers()); n != 1 {
			t.Errorf("%d workers with nothing to do", n)
		}
	})
}

// Requests that wait inside of the workers count like those in the queue.
func TestWorkersFollowTheWait(t *testing.T) {
	w := &fakeWorld{}
	inWorld(t, Config{Workers: 1, WorkersMin: 1, WorkersMax: 3}, w, func() {
		w.after(time.Second)
		for range 10 {
			for _, p := range w.all() {
				p.mu.Lock()
				if p.board != nil {
					p.board.Counters.Waits.Buckets[9] += 5
					p.board.Counters.Waits.Sum += uint64(5 * 50 * ms)
				}
				p.mu.Unlock()
			}
			w.after(250 * ms)
		}
		if n := len(w.workers()); n != 3 {
			t.Errorf("%d workers", n)
		}
		w.after(10 * time.Minute)
		w.want("0/1 ready")
	})
}
