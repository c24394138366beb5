// The command before a build, in development: what it writes into the source tree is
// its result and no change, or one save would lead to the next reload for ever.

package main

import (
	"context"
	"sync"

	"github.com/appd-server/appd/internal/watch"
)

// beforeRuns bounds how often the command is run for one change.
const beforeRuns = 4

// written tells files that the command writes from files that people save.
type written struct {
	mu    sync.Mutex
	by    map[string]bool // guarded by mu: changed while the command ran
	saved map[string]bool // guarded by mu: changed at another time, so never only the command's
}

// save takes note of files that somebody saved.
func (w *written) save(paths []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.saved == nil {
		w.saved = map[string]bool{}
	}
	for _, p := range paths {
		w.saved[p] = true
	}
}

// others returns those of the files that the command may not have written: it never
// did before, or somebody else has. It learns those that are new.
func (w *written) others(paths []string) (others []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[string]bool{}
	}
	for _, p := range paths {
		if !w.by[p] || w.saved[p] {
			others = append(others, p)
		}
		w.by[p] = true
	}
	return others
}

// around runs the command until it has read what is there: a file that changed under
// it may have been saved by somebody, after the command had read it. If it failed that
// may have been why, and a new reload is due.
func (d *developer) around(w *watched) func(context.Context, func() error) error {
	return func(ctx context.Context, command func() error) (err error) {
		for range beforeRuns {
			wrote := w.watcher.During(w.ctx, func() { err = command() })
			others := d.written.others(wrote)
			switch {
			case ctx.Err() != nil, len(others) == 0: // superseded, or done
				return err
			case err != nil:
				d.change(w.ctx, watch.Change{Paths: others})
				return err
			}
		}
		return err
	}
}
