// Preload: one process of a generation imports the application and forks the
// workers, which thus share its memory.

package supervisor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	forkTime = 10 * time.Second // for one fork
	noSlot   = -1               // of the preload process, which serves nobody
)

// preloader keeps the preload process of a generation. It is a child of ours like
// any worker, but has no slot: who needs the next fork sees to it that it lives.
type preloader struct {
	mu      sync.Mutex // one fork at a time
	process *importer
	over    bool // the generation has ended
}

// importer is one preload process.
type importer struct {
	*child
	gen     int
	began   time.Time
	said    chan handoff.Message // ready or failed
	forked  chan handoff.Message
	exited  chan exit   // has room for its end
	leaving atomic.Bool // was asked to go
}

// preloaded starts the preload process of g and waits until it has imported.
func (l *launcher) preloaded(ctx context.Context, g *generation) error {
	p, err := l.startImport(ctx, g)
	if err == nil {
		g.preload = &preloader{process: p}
	}
	return err
}

// startImport starts a preload process and waits for its word. After an error
// nothing is left of it.
func (l *launcher) startImport(ctx context.Context, g *generation) (*importer, error) {
	p := &importer{
		child: &child{kind: KindPython, log: l.log, oom: l.oom}, gen: g.number, began: time.Now(),
		said: make(chan handoff.Message, 1), forked: make(chan handoff.Message, 1), exited: make(chan exit, 1),
	}
	if err := l.forkImporter(p.child, g); err != nil {
		p.abort()
		return nil, err
	}
	p.Attend(func(m handoff.Message, fds []int) {
		handoff.CloseFDs(fds)
		p.hear(m)
	})
	go p.reaped() // ends with the process, for which end and await wait
	if err := p.await(ctx, g); err != nil {
		p.leaving.Store(true)
		p.Kill(syscall.SIGKILL)
		<-p.ended
		p.Close()
		return nil, err
	}
	return p, nil
}

// forkImporter forks the process.
func (l *launcher) forkImporter(p *child, g *generation) error {
	fds := &inheritance{}
	defer fds.close()
	if err := p.streams(fds, g.cfg.CaptureOutput); err != nil {
		return err
	}
	text, err := l.preloadContract(p, fds, g)
	if err != nil {
		return err
	}
	env := append(setenv(g.environment(), "PYTHONUNBUFFERED", "1"), handoff.Env+"="+text)
	return l.exec(p, order{gen: g, slot: noSlot, workers: g.cfg.Workers}, fds, g.program.Command, env)
}

// preloadContract is the hand-over of a preload process: no listener, no scoreboard.
func (l *launcher) preloadContract(p *child, fds *inheritance, g *generation) (string, error) {
	control, end, err := handoff.Socketpair()
	if err != nil {
		return "", err
	}
	defer end.Close()
	p.control = control
	far, err := unix.FcntlInt(end.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return "", err
	}
	python := *g.python()
	python.Preload = true
	h := &handoff.Handoff{Version: handoff.Version, Name: g.cfg.App.Name, Slot: noSlot, Generation: g.number, Workers: g.cfg.Workers, Settings: g.cfg.Settings, Python: &python, Dev: g.cfg.Dev}
	h.Control = fds.own(far)
	return h.Marshal()
}

// reaped waits for the end of the process and explains one that nobody wanted.
func (p *importer) reaped() {
	e := p.Wait()
	keys := []any{"gen", p.gen, "pid", p.pid, "status", p.describe(e)}
	if p.leaving.Load() {
		p.log.Debug("preload process left", keys...)
	} else {
		if last := p.Output(); len(last) > 0 {
			keys = append(keys, "output", strings.Join(last[max(len(last)-10, 0):], "\n")+"\n")
		}
		p.log.Error("preload process died, its workers serve on", keys...)
	}
	p.exited <- e
	p.Bereave()
}

// describe says how the process ended.
func (p *importer) describe(e exit) string {
	return (&Death{PID: p.pid, Age: time.Since(p.began), Code: e.code, Signal: e.signal, By: killer(e, 0)}).describe()
}

// hear sorts what the preload process says.
func (p *importer) hear(m handoff.Message) {
	to := p.forked
	switch m.Kind {
	case handoff.NoteMsg:
		p.log.say(level(m.Level), m.Text, []any{"pid", p.pid})
		return
	case handoff.Ready, handoff.Failed:
		to = p.said
	case handoff.Forked:
	default:
		return
	}
	select {
	case to <- m:
	default: // nobody waits any more
	}
}

// await waits for the import. One that hangs shows its stack first.
func (p *importer) await(ctx context.Context, g *generation) error {
	limit := time.NewTimer(cmp.Or(g.bootTimeout(), math.MaxInt64))
	defer limit.Stop()
	failure := &PrepareError{}
	for {
		select {
		case m := <-p.said:
			if m.Kind == handoff.Ready {
				return nil
			}
			text := lines(m.Text)
			return &PrepareError{Reason: text[len(text)-1], Output: text}
		case e := <-p.exited:
			if failure.Reason == "" {
				failure.Reason = "the preload process ended: " + p.describe(e)
			}
			failure.Output = p.Output()
			return failure
		case <-limit.C:
			if failure.Reason != "" { // the second time: it does not even die
				failure.Output = p.Output()
				return failure
			}
			failure.Reason = fmt.Sprintf("the application was not imported after %v", g.bootTimeout())
			p.leaving.Store(true)
			p.Signal(syscall.SIGABRT) // faulthandler writes the stacks
			limit.Reset(abortTime)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fork has the preload process fork a worker. A preload process that has died is
// replaced first; workers serve on meanwhile.
func (l *launcher) fork(ctx context.Context, o order) (process, error) {
	pre := o.gen.preload
	pre.mu.Lock()
	defer pre.mu.Unlock()
	if pre.over {
		return nil, errors.New("the generation has ended")
	}
	select {
	case <-pre.process.ended:
		l.log.Warn("the application is imported again for the next worker", "gen", o.gen.number)
		fresh, err := l.startImport(ctx, o.gen)
		if err != nil {
			return nil, err
		}
		pre.process.Close()
		pre.process = fresh
	default:
	}
	p := &child{kind: KindPython, log: l.log, oom: l.oom}
	if err := l.forkInto(p, pre.process, o); err != nil {
		p.abort()
		return nil, err
	}
	return p, nil
}

// forkInto opens what p needs, asks for the fork and takes hold of the process.
func (l *launcher) forkInto(p *child, pre *importer, o order) error {
	fds, std := &inheritance{}, &inheritance{}
	defer fds.close()
	defer std.close()
	if err := p.streams(std, o.gen.cfg.CaptureOutput); err != nil {
		return err
	}
	fds.lend(-1) // indexes count from 1
	text, err := l.contract(p, fds, o)
	if err != nil {
		return err
	}
	fds.lend(std.files[1])
	fds.lend(std.files[2])
	m := handoff.Message{Kind: handoff.Fork, Handoff: json.RawMessage(text), Env: []string{fmt.Sprint("APPD_WORKER_ID=", o.slot), fmt.Sprint("APPD_WORKERS=", o.workers)}}
	for len(pre.forked) > 0 {
		<-pre.forked // of a fork that nobody waited for
	}
	pre.Send(m, fds.files[1:]...)
	select {
	case m = <-pre.forked:
	case <-pre.ended:
		return errors.New("the preload process ended while it forked")
	case <-time.After(forkTime):
		return fmt.Errorf("the preload process did not fork within %v", forkTime)
	}
	if m.PID <= 0 {
		return errors.New("the preload process cannot fork: " + m.Text)
	}
	return p.hold(m.PID, -1, o.keys(m.PID))
}

// end lets the preload process go with its generation.
func (p *preloader) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.process.leaving.Store(true)
	p.process.Send(handoff.Message{Kind: handoff.Stop, Grace: handoff.Duration(hurryTime)})
	select {
	case <-p.process.ended:
	case <-time.After(2 * hurryTime):
		p.process.Kill(syscall.SIGKILL)
		<-p.process.ended
	}
	p.process.Close()
}
