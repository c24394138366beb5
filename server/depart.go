// Leaving: the drain, the idle connections that go to others, the end of patience.

//go:build linux

package server

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// passIdle gives an idle kept connection to the supervisor.
func (w *worker) passIdle(fd, listener int, p cgi.Protocol) bool {
	m := handoff.Message{Kind: handoff.Passed, Listener: listener, Protocol: p.String()}
	if w.line.Send(m, fd) != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// leave begins to leave, once: it drains, and cancels what is still in flight when
// the grace is over. A later stop makes it short.
func (w *worker) leave(m handoff.Message) {
	grace := time.Duration(m.Grace)
	if grace <= 0 {
		grace = time.Duration(w.settings.GracefulTimeout)
		if m.Kind == handoff.Stop {
			grace = time.Second
		}
	}
	if m.Kind == handoff.Stop {
		w.hook("worker_int", func() {
			if f := w.hooks.WorkerInt; f != nil {
				f(Self())
			}
		})
		w.cut(grace)
	}
	w.leaving.Do(func() {
		w.reason = m.Reason
		w.loop.Board().SetState(handoff.Leaving)
		w.line.Send(handoff.Message{Kind: handoff.Draining, Reason: m.Reason})
		drainStarts()
		go func() { w.over <- w.depart(grace, eventloop.DrainOptions{Queue: m.Queue, Pass: m.Pass}) }()
	})
}

// cut has a drain that is under way end within d.
func (w *worker) cut(d time.Duration) {
	time.AfterFunc(d, func() {
		w.loop.Cancel()
		time.AfterFunc(lastWords, func() { w.close() })
	})
}

// lastWords is the time that cancelled requests have to answer; tests have more.
var lastWords = 500 * time.Millisecond

// depart drains the worker.
func (w *worker) depart(grace time.Duration, o eventloop.DrainOptions) error {
	ctx := context.Background()
	if grace > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, grace)
		defer cancel()
	}
	err := w.instance.leave(ctx, o)
	if err == nil {
		return nil
	}
	w.loop.Cancel()
	last, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if w.instance.leave(last, o) == nil {
		return nil
	}
	w.close()
	return fmt.Errorf("server: requests were still in flight after %v", grace)
}
