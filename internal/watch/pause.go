// Pauses: a program that writes into the trees makes no changes.

package watch

import (
	"context"

	"github.com/fsnotify/fsnotify"
)

// pause is one call of During.
type pause struct {
	begun, ended chan struct{}
	told         chan struct{}
	wrote        []string // set before told is closed
}

// During runs f, which may write into what is watched, and returns the files that are
// different afterwards: Changed does not hear of them. A file that somebody else saved
// meanwhile cannot be told from what f wrote; that is left to the caller. During may be
// called while Run runs, from any goroutine but that of Changed; ctx is that of Run.
func (w *Watcher) During(ctx context.Context, f func()) (wrote []string) {
	p := &pause{begun: make(chan struct{}), ended: make(chan struct{}), told: make(chan struct{})}
	select {
	case w.pauses <- p:
	case <-ctx.Done():
		f()
		return nil
	}
	select {
	case <-p.begun:
	case <-ctx.Done():
	}
	f()
	close(p.ended)
	select {
	case <-p.told:
		return p.wrote
	case <-ctx.Done():
		return nil
	}
}

// hold reads events away until p ends, then looks at everything.
func (w *Watcher) hold(ctx context.Context, p *pause) {
	defer close(p.told)
	close(p.begun)
	for {
		var events chan fsnotify.Event
		var faults chan error
		if w.notify != nil {
			events, faults = w.notify.Events, w.notify.Errors
		}
		select {
		case <-ctx.Done():
			return
		case files := <-w.inbox:
			w.learn(files)
		case done := <-w.asks:
			w.asked = append(w.asked, done)
		case <-events:
		case <-faults:
		case <-p.ended:
			now := w.settle(w.last)
			p.wrote, w.last = changes(w.last, now), now
			w.answer()
			return
		}
	}
}
