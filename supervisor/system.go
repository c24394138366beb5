// The real system: what the loop's seams are made of outside of tests.

package supervisor

import (
	"context"

	"github.com/appd-server/appd/internal/handoff"
)

// realSystem wires the seams. What it starts ends with close.
func (s *Supervisor) realSystem() system {
	keepDescriptors()
	if err := becomeSubreaper(); err != nil {
		s.log.Warn("orphans of workers cannot be reaped", "error", err)
	}
	l := &launcher{log: s.log, oom: newOOMCounter(kernelOOMKills)}
	l.spawner = newSpawner()
	r := &strangers{}
	return system{
		launch:  l.launch,
		prepare: l.prepare,
		retire:  retire,
		lookUp:  lookUp,
		bind:    s.bindOrInherit,
		depth:   depthOf,
		hook:    hookRunner{s.log}.run,
		memory:  memoryOf,
		cpu:     cpuOf,
		stopped: isStopped,
		notify:  tellManager,
		title: func(name string) {
			if err := handoff.SetTitle("appd: supervisor [" + name + "]"); err != nil {
				s.log.Debug("no process title", "error", err)
			}
		},
		reap: func() {
			l.oom.forget()
			r.reap()
		},
		close: func() {
			l.keeper.close()
			l.spawner.close()
		},
	}
}

// prepare makes a generation's program ready to start.
func (l *launcher) prepare(ctx context.Context, g *generation) error {
	if err := g.resolve(); err != nil {
		return err
	}
	g.program = Program{Command: g.cfg.App.Command}
	if g.cfg.App.Prepare != nil {
		prog, err := g.cfg.App.Prepare(ctx, Generation{g.number, g.dir})
		if err != nil {
			return err
		}
		g.program = prog
	}
	if g.cfg.App.Preload && g.cfg.App.Kind == KindPython {
		return l.preloaded(ctx, g)
	}
	return nil
}

// retire lets go of what a generation holds besides workers.
func retire(g *generation) {
	if g.preload != nil {
		g.preload.end()
	}
	if g.program.Retire != nil {
		g.program.Retire()
	}
}
