// Taking the snapshot, and asking workers for their stacks and profiles.

package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// Status tells how everything is.
func (s *Supervisor) Status(ctx context.Context) (Snapshot, error) {
	var snap Snapshot
	err := s.ask(ctx, func(answer chan<- error) {
		snap = s.snapshot()
		answer <- nil
	})
	if err != nil {
		return Snapshot{}, err
	}
	for i := range snap.Workers { // costly reads, beside the loop
		if w := &snap.Workers[i]; w.PID != 0 {
			w.PSS, w.CPU = s.sys.memory(w.PID, true), s.sys.cpu(w.PID)
		}
	}
	return snap, nil
}

// snapshot copies what the loop owns.
func (s *Supervisor) snapshot() Snapshot {
	snap := Snapshot{
		App: s.cfg.App.Name, Kind: s.cfg.App.Kind, PID: os.Getpid(), Started: s.born, Generation: s.gen.number,
		Stopping: s.stopping != running, Wanted: s.wanted,
		Deaths: slices.Clone(s.deaths), Reloads: maps.Clone(s.reloads), DeathCount: maps.Clone(s.deathCount),
		Spawned: s.spawned, Gone: s.gone, GoneCPU: s.goneCPU,
	}
	if s.said != nil {
		said := *s.said
		snap.Settings = &said
	}
	if s.lastReload != nil {
		last := *s.lastReload
		snap.LastReload = &last
	}
	for _, w := range s.workers {
		snap.Workers = append(snap.Workers, w.status())
		snap.Ready = snap.Ready || w.state == ready && !snap.Stopping
	}
	slices.SortStableFunc(snap.Workers, func(a, b WorkerStatus) int { return cmp.Compare(a.Slot, b.Slot) })
	for _, l := range s.listeners {
		queue, limit := s.sys.depth(l)
		snap.Listeners = append(snap.Listeners, ListenerStatus{Address: l.address, Protocol: l.spec.Worker.Protocol, Queue: queue, Limit: limit})
	}
	return snap
}

// status copies what is known of one worker.
func (w *worker) status() WorkerStatus {
	st := WorkerStatus{
		Slot: w.slot, Generation: w.gen.number, PID: w.pid(), State: w.state.String(), Since: w.since, Started: w.started,
		Reason: w.reason, Restarts: w.crashes,
	}
	now := handoff.Now()
	if w.proc == nil || !w.look(now) {
		return st
	}
	st.Counters = w.seen.Counters
	st.Requests, st.Errors = st.Counters.Served(), st.Counters.Class(5)+st.Counters.Class(0)
	st.Beat = time.Duration(now - w.seen.Beat)
	st.InFlight = inFlight(&w.seen)
	st.Gauges = w.seen.Gauges
	return st
}

// Stacks returns the stacks of the ready worker in slot: goroutines or Python
// frames.
func (s *Supervisor) Stacks(ctx context.Context, slot int) ([]byte, error) {
	return s.collect(ctx, slot, func(p process, done func([]byte, error)) { p.Dump("", done) })
}

// Profile returns a CPU profile of the ready worker in slot over so many seconds.
func (s *Supervisor) Profile(ctx context.Context, slot, seconds int) ([]byte, error) {
	return s.collect(ctx, slot, func(p process, done func([]byte, error)) { p.Profile(seconds, done) })
}

// collect has the worker in slot write something.
func (s *Supervisor) collect(ctx context.Context, slot int, order func(process, func([]byte, error))) (text []byte, err error) {
	var result []byte
	err = s.ask(ctx, func(answer chan<- error) {
		w := s.holder(slot)
		switch {
		case w == nil:
			answer <- fmt.Errorf("no worker is running in slot %d", slot)
		case !w.gen.cfg.App.Kind.contract():
			answer <- fmt.Errorf("a %s application cannot show its stacks", w.gen.cfg.App.Kind)
		default:
			order(w.proc, func(text []byte, err error) {
				result = text
				answer <- err
			})
		}
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// holder is the newest worker with a process in slot that is ready, or else any.
func (s *Supervisor) holder(slot int) (found *worker) {
	for _, w := range s.workers {
		if w.slot == slot && w.proc != nil && (found == nil || w.state == ready) {
			found = w
		}
	}
	return found
}
