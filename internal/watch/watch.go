// The watcher's loop: hints in, one change a burst out.

package watch

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
)

// How long a burst may last.
const (
	quietFor  = 100 * time.Millisecond // without an event: the burst is over
	burstMax  = 2 * time.Second        // from its first event: it counts as over
	pollEvery = 500 * time.Millisecond
)

// Engine says how changes are noticed.
type Engine string

// The engines.
const (
	Auto    Engine = "auto"    // inotify, and polling where that cannot work
	Inotify Engine = "inotify" // as auto, without looking at the file system first
	Poll    Engine = "poll"    // look every half second
)

// Tree is a folder whose files count, with all its folders that are not pruned.
type Tree struct {
	Dir   string                 // absolute
	Match func(path string) bool // which files count: GoSource, PythonSource
	Prune []string               // absolute folders that hold no source, such as build output
}

// Watcher watches trees, extra files and loaded modules. Its fields are set
// before Run.
type Watcher struct {
	Trees []Tree

	// Extra are files, folders and globs with ** that count besides, absolute;
	// they need not exist yet. Ignore rules of git do not apply to them.
	Extra []string

	// Browser are globs, absolute, of files that the application reads by itself:
	// a change of only such files is for the browser, not for the application.
	// nil: style sheets. What a Go program embeds is never such a file.
	Browser []string

	Engine Engine
	Log    hclog.Logger // nil: silent

	// Changed is called once a burst, from Run.
	Changed func(Change)

	// What tests have otherwise.
	open         func() (*fsnotify.Watcher, error) // fsnotify.NewWatcher
	quiet, burst time.Duration                     // quietFor, burstMax

	// owned by Run
	modules map[string]bool
	extra   []string
	links   map[string]bool // symbolic links on the way to what is watched
	last    survey
	notify  *fsnotify.Watcher   // nil while polling
	added   map[string]uint64   // what notify watches: path and inode
	names   map[uint64][]string // paths of one inode: its events come under one of them
	inbox   chan []string
	asks    chan chan struct{}
	pauses  chan *pause
	asked   []chan struct{} // of CatchUp, until the burst under way is over
}

// Change is one burst of changes.
type Change struct {
	Paths   []string // absolute, sorted, at least one
	Browser bool     // all of them match Watcher.Browser
}

// New returns w ready to Run; the zero fields have their defaults.
func New(w Watcher) *Watcher {
	if w.Log == nil {
		w.Log = hclog.NewNullLogger()
	}
	if w.open == nil {
		w.open = fsnotify.NewWatcher
	}
	w.quiet, w.burst = cmp.Or(w.quiet, quietFor), cmp.Or(w.burst, burstMax)
	w.modules, w.links, w.added = map[string]bool{}, map[string]bool{}, map[string]uint64{}
	w.names = map[uint64][]string{}
	w.inbox, w.asks = make(chan []string, 16), make(chan chan struct{})
	w.pauses = make(chan *pause)
	for _, p := range slices.Concat(w.Extra, w.Browser) {
		if isDir(p) {
			p = filepath.Join(p, "**")
		}
		w.extra = append(w.extra, filepath.Clean(p))
	}
	return &w
}

// Modules adds files that the application loaded. It may be called at any time,
// from any goroutine, until ctx of Run ends.
func (w *Watcher) Modules(ctx context.Context, files []string) {
	select {
	case w.inbox <- files:
	case <-ctx.Done():
	}
}

// CatchUp returns when every change up to now has been given to Changed: after the
// burst under way, or at once. It may be called while Run runs, from any goroutine
// but that of Changed, and returns early when ctx ends.
func (w *Watcher) CatchUp(ctx context.Context) {
	done := make(chan struct{})
	select {
	case w.asks <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Begin makes the first survey: what changes after its return is a change. It is
// called before anything is built from the source, and before Run.
func (w *Watcher) Begin() {
	w.choose()
	w.last = w.settle(survey{})
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	defer w.close()

	var quiet, limit, tick <-chan time.Time // nil: nothing pending
	for {
		var events chan fsnotify.Event
		var faults chan error
		if w.notify != nil {
			events, faults, tick = w.notify.Events, w.notify.Errors, nil
		} else if tick == nil {
			tick = time.After(pollEvery)
		}
		select {
		case <-ctx.Done():
			return
		case files := <-w.inbox:
			w.learn(files)
		case done := <-w.asks:
			w.asked = append(w.asked, done)
			if quiet == nil {
				w.compare() // an event may not have been read yet
			}
		case p := <-w.pauses:
			w.compare() // what changed before is a change like any other
			w.hold(ctx, p)
			quiet, limit = nil, nil
		case e := <-events:
			if w.matters(e) {
				quiet = time.After(w.quiet)
				if limit == nil {
					limit = time.After(w.burst)
				}
			}
		case err := <-faults:
			w.Log.Warn("events of the file system were lost, looking at everything", "error", err)
			quiet = time.After(w.quiet)
		case <-tick:
			tick = nil
			w.compare()
		case <-quiet:
			quiet, limit = nil, nil
			w.compare()
		case <-limit:
			quiet, limit = nil, nil
			w.compare()
		}
	}
}

// compare makes a new survey and reports what is different, and tells who asked.
func (w *Watcher) compare() {
	now := w.settle(w.last)
	paths := changes(w.last, now)
	code := slices.ContainsFunc(paths, func(p string) bool { return w.last.embeds[p] || now.embeds[p] || !w.browserOnly(p) })
	w.last = now
	if len(paths) > 0 {
		w.Changed(Change{Paths: paths, Browser: !code})
	}
	w.answer()
}

// answer tells who waits in CatchUp.
func (w *Watcher) answer() {
	for _, done := range w.asked {
		close(done)
	}
	w.asked = nil
}

// learn takes modules in without reporting them as a change.
func (w *Watcher) learn(files []string) {
	fresh := false
	for _, f := range files {
		if !w.modules[f] && filepath.IsAbs(f) {
			w.modules[f], fresh = true, true
		}
	}
	if !fresh {
		return
	}
	now := w.settle(w.last)
	for path, s := range now.files {
		if _, known := w.last.files[path]; !known && w.modules[path] {
			w.last.files[path] = s
		}
	}
	w.last.dirs, w.last.open, w.last.embeds = now.dirs, now.open, now.embeds
}

// settle surveys until every directory found was watched before it was looked
// at, so that nothing written in between is missed. Files that are as in cache
// are not read again.
func (w *Watcher) settle(cache survey) survey {
	for {
		now := w.survey(cache)
		if w.notify == nil || !w.watchDirs(now.dirs) {
			return now
		}
		cache = now
	}
}
