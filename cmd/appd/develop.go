// Development: a change of the source is built and reloaded, the terminal and the
// open pages hear what came of it.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/watch"
	"github.com/appd-server/appd/server/dev"
	"github.com/appd-server/appd/supervisor"
)

// developer turns changes into reloads while reload = true is in force. Its loop runs
// beside the supervisor.
type developer struct {
	s       *service
	watched atomic.Pointer[watched] // nil: reload = false
	changes chan watch.Change
	results chan outcome
	built   atomic.Int64 // nanoseconds that the last build took
	first   atomic.Int64 // generation that was prepared first
	number  atomic.Int64 // generation that was prepared last
	since   atomic.Int64 // when it was prepared, in Unix nanoseconds
	serves  atomic.Bool  // some generation has become ready
	written written

	// owned by run
	broken  bool     // the newest code does not run
	pending []string // changed since the last good generation
	reloads int      // begun
}

// outcome is a reload that ended.
type outcome struct {
	number int // of the reload
	paths  []string
	took   time.Duration
	err    error
	last   bool // nothing had changed again when it ended
}

func newDeveloper(s *service) *developer {
	return &developer{s: s, changes: make(chan watch.Change), results: make(chan outcome)}
}

// develop starts development beside the supervisor.
func (s *service) develop(ctx context.Context) {
	s.sides.Go(func() { s.dev.run(ctx) })
	s.sides.Go(func() { s.keys(ctx, s.dev) })
}

// run handles changes until ctx ends. A reload that is under way when more changes
// is superseded: the supervisor cancels its build.
func (d *developer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-d.changes:
			if c.Browser {
				d.refresh(c.Paths)
			} else {
				d.reload(ctx, c.Paths)
			}
		case o := <-d.results:
			d.ended(ctx, o)
		}
	}
}

// ended reports a reload, but one that failed only if its source is still the newest:
// a file that the compiler met half written is whole a moment later, and the reload
// for that is the one to report.
func (d *developer) ended(ctx context.Context, o outcome) {
	switch {
	case o.err == nil:
		d.report(o)
	case o.number < d.reloads: // superseded, or as good as that
	case o.last:
		d.report(o)
	default:
		d.s.sides.Go(func() {
			if w := d.watched.Load(); w != nil {
				w.watcher.CatchUp(w.ctx) // what changed meanwhile comes to the loop first
			}
			o.last = true
			d.hand(ctx, o)
		})
	}
}

// hand gives an outcome to the loop.
func (d *developer) hand(ctx context.Context, o outcome) {
	select {
	case d.results <- o:
	case <-ctx.Done():
	}
}

// change hands a change to the loop; one without paths asks for a reload although
// nothing changed.
func (d *developer) change(ctx context.Context, c watch.Change) {
	select {
	case d.changes <- c:
	case <-ctx.Done():
	}
}

// reload begins a reload for changed files; its outcome comes to the loop.
func (d *developer) reload(ctx context.Context, paths []string) {
	d.written.save(paths)
	forgetBytecode(paths)
	d.pending = slices.Compact(slices.Sorted(slices.Values(append(d.pending, paths...))))
	d.reloads++
	began, o := time.Now(), outcome{number: d.reloads, paths: d.pending}
	d.s.sides.Go(func() {
		o.err = d.s.super.Reload(ctx)
		o.took = time.Since(began)
		d.hand(ctx, o)
	})
}

// report says in one line what came of a change.
func (d *developer) report(o outcome) {
	refusal, refused := errors.AsType[*supervisor.ReloadError](o.err)
	switch {
	case o.err == nil:
		d.pending = nil
		d.s.log.Info(d.story(d.subject(o.paths), o.took))
		if d.broken {
			d.broken = false
			d.tell(dev.Event{Name: "fixed"})
		}
	case errors.Is(o.err, supervisor.ErrSuperseded), errors.Is(o.err, supervisor.ErrStopping):
	case refused:
		d.refused(o, refusal)
	default:
		d.s.log.Error(d.subject(o.paths)+" -> not reloaded", "error", o.err)
	}
}

// refused says why the new code does not serve, and what does.
func (d *developer) refused(o outcome, refusal *supervisor.ReloadError) {
	d.broken = true
	title, text := failure(refusal)
	meanwhile := ", the last good version goes on serving"
	if refusal.StandIn {
		meanwhile = ", a page says so until the application starts"
	}
	var output []any
	if text != "" && !refusal.Printed {
		output = []any{"output", strings.ReplaceAll(text, "\t", "    ")} // the log writes a tab as \t
	}
	d.s.log.Error(d.subject(o.paths)+" -> "+title+meanwhile, output...)
	if !refusal.StandIn { // which is a page about it
		d.tell(dev.Event{Name: "failure", Title: title, Text: text})
	}
}

// failure is why a reload failed in one line, and everything else that there is to say:
// what is wrong with a configuration takes several.
func failure(r *supervisor.ReloadError) (title, text string) {
	title, more, _ := strings.Cut(r.Reason, "\n")
	return title, strings.Trim(more+"\n"+strings.Join(r.Output, "\n"), "\n")
}

// story is `main.go changed -> built in 412 ms -> ready in 38 ms, generation 7`.
func (d *developer) story(text string, ready time.Duration) string {
	if built := time.Duration(d.built.Load()); built > 0 {
		text += " -> built in " + milliseconds(built)
		ready -= built
	}
	return fmt.Sprintf("%s -> ready in %s, generation %d", text, milliseconds(ready), d.number.Load())
}

// subject names what changed.
func (d *developer) subject(paths []string) string {
	if len(paths) == 0 {
		return "reload"
	}
	name := paths[0]
	if rel, err := filepath.Rel(d.s.inForce().App.Chdir, name); err == nil && !strings.HasPrefix(rel, "..") {
		name = rel
	}
	if more := len(paths) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more changed", name, more)
	}
	return name + " changed"
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", max(d, 0).Milliseconds()) }

// refresh tells browsers of files that the application reads by itself: changed
// style sheets are swapped, for anything else the page is loaded anew.
func (d *developer) refresh(paths []string) {
	event := dev.Event{Name: "css"}
	for _, p := range paths {
		if filepath.Ext(p) != ".css" {
			event = dev.Event{Name: "reload"}
			break
		}
		event.Paths = append(event.Paths, filepath.ToSlash(p))
	}
	d.s.log.Info(d.subject(paths) + " -> told the browsers")
	d.tell(event)
}

func (d *developer) tell(e dev.Event) {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // of strings
	}
	d.s.super.Tell(string(text))
}

// timed wraps Prepare so that the story knows how long the build took.
func (d *developer) timed(prepare func(context.Context, supervisor.Generation) (supervisor.Program, error), builds bool) func(context.Context, supervisor.Generation) (supervisor.Program, error) {
	return func(ctx context.Context, g supervisor.Generation) (supervisor.Program, error) {
		began := time.Now()
		program, err := prepare(ctx, g)
		if builds {
			d.built.Store(int64(time.Since(began)))
		}
		d.first.CompareAndSwap(0, int64(g.Number))
		d.number.Store(int64(g.Number))
		d.since.Store(time.Now().UnixNano())
		return program, err
	}
}

// event tells of the first start, when that succeeds. The page that stands in is of a
// generation that nobody prepared.
func (d *developer) event(e supervisor.Event) {
	n := int64(e.Generation)
	if e.To != "ready" || n != d.number.Load() || d.serves.Swap(true) || n != d.first.Load() {
		return
	}
	took := time.Duration(d.built.Load() + time.Now().UnixNano() - d.since.Load())
	d.s.log.Info(d.story("start", took), "pages", d.addresses())
}

// addresses are where a browser finds the application.
func (d *developer) addresses() string {
	var all []string
	for _, l := range d.s.inForce().Listen {
		if !strings.HasPrefix(l.Address, "unix:") && (l.Protocol == "auto" || l.Protocol == "http") {
			all = append(all, "http://"+l.Address+"/")
		}
	}
	return strings.Join(all, " ")
}

// told are the steps of a reload, which development tells in one line.
var told = []string{
	"reload begins", "reload done", "reload refused, the old generation goes on", "worker ready", "worker left",
}

// alreadyTold keeps them, and the death of a worker that never booted, out of the log.
func alreadyTold(_ hclog.Level, text string, args ...any) bool {
	return slices.Contains(told, text) ||
		strings.HasPrefix(text, "worker died") && slices.Contains(args, any(string(supervisor.BootFailed)))
}
