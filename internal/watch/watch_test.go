package watch

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
)

// TestMain lets many tests run side by side: they wait more than they work.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m)
}

// site is a source tree under watch.
type site struct {
	t       *testing.T
	dir     string
	w       *Watcher
	changes chan Change
	marks   int       // sentinels written
	began   time.Time // the save under way; zero between two
}

// watchSite lays files out (name, content, ...) and watches them.
func watchSite(t *testing.T, set func(dir string, w *Watcher), files ...string) *site {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, changes: make(chan Change, 100)}
	for i := 0; i < len(files); i += 2 {
		s.write(files[i], files[i+1])
	}
	s.write("zz/sentinel.go", "package zz")
	s.began = time.Time{}
	// Longer than a busy machine lets a test wait between two steps of a save.
	cfg := Watcher{Trees: []Tree{{Dir: dir, Match: GoSource}}, quiet: 500 * time.Millisecond, burst: time.Minute}
	if set != nil {
		set(dir, &cfg)
	}
	cfg.Changed = func(c Change) { s.changes <- c }
	s.w = New(cfg)
	s.w.Begin()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool)
	go func() {
		defer close(done)
		s.w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

func (s *site) path(name string) string {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	return filepath.Join(s.dir, name)
}

func (s *site) must(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatal(err)
	}
}

func (s *site) write(name, text string) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	s.must(os.WriteFile(s.path(name), []byte(text), 0o644))
}

func (s *site) rename(from, to string) { s.t.Helper(); s.must(os.Rename(s.path(from), s.path(to))) }
func (s *site) remove(name string)     { s.t.Helper(); s.must(os.RemoveAll(s.path(name))) }
func (s *site) link(target, at string) { s.t.Helper(); s.must(os.Symlink(target, s.path(at))) }
func (s *site) mkdir(name string)      { s.t.Helper(); s.must(os.MkdirAll(s.path(name), 0o755)) }
func (s *site) names(c Change) []string {
	var out []string
	for _, p := range c.Paths {
		rel, _ := filepath.Rel(s.dir, p)
		out = append(out, rel)
	}
	return out
}

// next waits for one change.
func (s *site) next() Change {
	s.t.Helper()
	select {
	case c := <-s.changes:
		s.began = time.Time{}
		return c
	case <-time.After(time.Minute):
		s.t.Fatal("no change was reported")
		panic("unreachable")
	}
}

// expect says that all that was done is one change of exactly these files, or
// none: the sentinel written afterwards comes by itself. Where the machine stood still
// in the middle of it there may be more of them, and only the sum counts.
func (s *site) expect(want ...string) {
	s.t.Helper()
	if took := time.Since(s.began); !s.began.IsZero() && took >= s.w.quiet {
		s.t.Logf("this took %v: a burst may have ended in the middle of it", took)
		s.expectSum(want)
		return
	}
	if len(want) > 0 {
		if got := s.names(s.next()); !slices.Equal(got, want) {
			s.t.Errorf("changed = %v, want %v", got, want)
		}
	}
	s.mark()
	if got := s.names(s.next()); !slices.Equal(got, []string{"zz/sentinel.go"}) {
		s.t.Errorf("after that, changed = %v, want nothing but the sentinel", got)
	}
	s.began = time.Time{}
}

// mark writes the sentinel, in one step.
func (s *site) mark() {
	s.t.Helper()
	s.marks++
	s.write("zz/sentinel.go~", fmt.Sprintf("package zz // %d", s.marks))
	s.rename("zz/sentinel.go~", "zz/sentinel.go")
}

// saves are how programs save a file: each is exactly one change or none.
var saves = []struct {
	name string
	do   func(s *site)
	want []string
}{
	{"truncate and write (VS Code, nano)", func(s *site) { s.write("main.go", "package main // 2") }, []string{"main.go"}},
	{"same content", func(s *site) { s.write("main.go", "package main") }, nil},
	{"touch", func(s *site) { s.must(os.Chtimes(s.path("main.go"), time.Now(), time.Now())) }, nil},
	{"chmod", func(s *site) { s.must(os.Chmod(s.path("main.go"), 0o600)) }, nil},
	{"vim", func(s *site) {
		s.write("4913", "")
		s.remove("4913")
		s.rename("main.go", "main.go~")
		s.write("main.go", "package main // vim")
		s.must(os.Chmod(s.path("main.go"), 0o644))
		s.remove("main.go~")
		s.write(".main.go.swp", "x")
		s.remove(".main.go.swp")
	}, []string{"main.go"}},
	{"emacs", func(s *site) {
		s.link("me@host.1:2", ".#main.go")
		s.write("#main.go#", "package main // emacs")
		s.rename("main.go", "main.go~")
		s.write("main.go", "package main // emacs")
		s.remove(".#main.go")
		s.remove("#main.go#")
	}, []string{"main.go"}},
	{"jetbrains", func(s *site) {
		s.write("main.go___jb_tmp___", "package main // jb")
		s.rename("main.go", "main.go___jb_old___")
		s.rename("main.go___jb_tmp___", "main.go")
		s.remove("main.go___jb_old___")
	}, []string{"main.go"}},
	{"atomic rename (gofmt -w, GNOME)", func(s *site) {
		s.write(".goutputstream-X1", "package main // gnome")
		s.rename(".goutputstream-X1", "main.go")
	}, []string{"main.go"}},
	{"many small writes", func(s *site) {
		f, err := os.Create(s.path("main.go"))
		s.must(err)
		for range 200 {
			fmt.Fprintln(f, "package main")
		}
		s.must(f.Close())
	}, []string{"main.go"}},
	{"changed and changed back", func(s *site) {
		s.write("main.go", "package other")
		s.write("main.go", "package main")
	}, nil},
	{"new file", func(s *site) { s.write("new.go", "package main") }, []string{"new.go"}},
	{"new folders with a file", func(s *site) { s.write("a/b/c/d.go", "package c") }, []string{"a/b/c/d.go"}},
	{"new empty folder", func(s *site) { s.mkdir("empty/inner") }, nil},
	{"delete", func(s *site) { s.remove("lib/lib.go") }, []string{"lib/lib.go"}},
	{"delete a folder", func(s *site) { s.remove("lib") }, []string{"lib/lib.go", "lib/more.go"}},
	{"delete and make again", func(s *site) {
		s.remove("lib")
		s.write("lib/lib.go", "package lib")
		s.write("lib/more.go", "package lib // more")
	}, nil},
	{"rename a folder", func(s *site) { s.rename("lib", "lib2") },
		[]string{"lib/lib.go", "lib/more.go", "lib2/lib.go", "lib2/more.go"}},
	{"tests, logs, notes", func(s *site) {
		s.write("main_test.go", "package main")
		s.write("app.log", "line")
		s.write("README.md", "words")
	}, nil},
	{"pruned folders", func(s *site) {
		s.write(".git/index.go", "package x")
		s.write("node_modules/x/x.go", "package x")
		s.write("myenv/pyvenv.cfg", "")
		s.write("myenv/lib/x.go", "package x")
	}, nil},
	{"ignored by git", func(s *site) {
		s.write("gen/out.go", "package gen")
		s.write("keep/secret_x.go", "package keep")
	}, nil},
	{"excepted from being ignored", func(s *site) { s.write("keep/secret_public.go", "package keep") },
		[]string{"keep/secret_public.go"}},
	{"embedded file", func(s *site) { s.write("page/index.html", "<p>2") }, []string{"page/index.html"}},
	{"new file in an embedded folder", func(s *site) { s.write("page/more.css", "p{}") }, []string{"page/more.css"}},
}

func TestSaves(t *testing.T) {
	for _, engine := range []Engine{Inotify, Poll} {
		for _, tt := range saves {
			t.Run(string(engine)+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				if engine == Poll && strings.HasPrefix(tt.name, "many small") {
					t.Skip("a poll may look in the middle of it")
				}
				s := watchSite(t, func(_ string, w *Watcher) { w.Engine = engine },
					"main.go", "package main",
					"lib/lib.go", "package lib", "lib/more.go", "package lib // more",
					"keep/keep.go", "package keep",
					".gitignore", "/gen/\nsecret_*.go\n!secret_public.go\n*.log\n",
					"embed.go", "package main\n\n//go:embed page/index.html page\nvar x embed.FS\n",
					"page/index.html", "<p>1")
				if engine == Poll {
					// A poll may fall between two steps of a save; only the sum counts.
					tt.do(s)
					s.expectSum(tt.want)
					return
				}
				tt.do(s)
				s.expect(tt.want...)
			})
		}
	}
}

// expectSum says that the files changed, in however many looks, and no others
// in the end.
func (s *site) expectSum(want []string) {
	s.t.Helper()
	got := map[string]bool{}
	for _, name := range want {
		for !got[name] {
			for _, n := range s.names(s.next()) {
				got[n] = true
			}
		}
	}
	s.mark()
	for !got["zz/sentinel.go"] {
		for _, n := range s.names(s.next()) {
			got[n] = true
		}
	}
	s.began = time.Time{}
}

// TestSameTime: a save that leaves a file its size and its time, as rsync and some version
// controls do, is a save.
func TestSameTime(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	s := watchSite(t, func(dir string, _ *Watcher) { os.Chtimes(filepath.Join(dir, "main.go"), long, long) }, "main.go", "package main // 1")
	s.write("main.go", "package main // 2")
	s.must(os.Chtimes(s.path("main.go"), long, long))
	s.expect("main.go")
}

func TestCheckoutOfManyFiles(t *testing.T) {
	t.Parallel()
	var files []string
	for i := range 500 {
		files = append(files, fmt.Sprintf("p%d/f.go", i), "package p")
	}
	s := watchSite(t, nil, files...)
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprintf("p%d/f.go", i))
		s.write(want[i], "package p // new")
	}
	slices.Sort(want)
	s.expect(want...)
}

func TestSwappedLink(t *testing.T) {
	t.Parallel()
	s := watchSite(t, func(dir string, w *Watcher) {
		w.Trees[0].Dir = filepath.Join(dir, "current")
		w.Trees = append(w.Trees, Tree{Dir: filepath.Join(dir, "zz"), Match: GoSource})
		os.Symlink("releases/1", filepath.Join(dir, "current"))
	}, "releases/1/main.go", "package main", "releases/2/main.go", "package main // 2",
		"releases/3/main.go", "package main // 2")
	swap := func(to string) {
		s.link("releases/"+to, "current.tmp")
		s.rename("current.tmp", "current")
	}
	swap("2")
	s.expect("current/main.go")
	swap("3") // the same content
	s.expect()
	s.write("releases/3/main.go", "package main // 3") // the new tree is the one that is watched
	s.expect("current/main.go")
	s.write("releases/1/main.go", "package old")
	s.expect()
}

func TestKubernetesData(t *testing.T) {
	t.Parallel()
	s := watchSite(t, func(dir string, w *Watcher) {
		w.Extra = []string{filepath.Join(dir, "etc/app.toml")}
		os.Symlink("..1", filepath.Join(dir, "etc/..data"))
		os.Symlink("..data/app.toml", filepath.Join(dir, "etc/app.toml"))
	}, "etc/..1/app.toml", "a = 1", "etc/..2/app.toml", "a = 2")
	s.link("..2", "etc/..tmp")
	s.rename("etc/..tmp", "etc/..data")
	s.remove("etc/..1")
	s.expect("etc/app.toml")
}

func TestExtraFiles(t *testing.T) {
	t.Parallel()
	s := watchSite(t, func(dir string, w *Watcher) {
		w.Extra = []string{
			filepath.Join(dir, "settings.toml"),
			filepath.Join(dir, "templates/**/*.html"),
			filepath.Join(dir, "not/yet/there/*.sql"),
			filepath.Join(dir, "folder"),
		}
		w.Browser = []string{filepath.Join(dir, "templates/**/*.html")}
	}, "main.go", "package main", "folder/inner/note.txt", "1")
	s.write("settings.toml", "a = 1")
	s.expect("settings.toml")
	s.write("folder/inner/note.txt", "2")
	s.expect("folder/inner/note.txt")
	s.write("templates/deep/page.html", "<p>")
	c := s.next()
	if !c.Browser || !slices.Equal(s.names(c), []string{"templates/deep/page.html"}) {
		t.Errorf("change = %+v, want the template, for the browser", c)
	}
	s.write("templates/deep/page.txt", "no")
	s.write("not/yet/there/a.sql", "select 1")
	if c := s.next(); c.Browser || !slices.Equal(s.names(c), []string{"not/yet/there/a.sql"}) {
		t.Errorf("change = %+v, want the query", c)
	}
	s.expect()
}

// TestBrowserOnly: style sheets are for the browser, unless they are inside the program
// or somebody says which files are; templates are the application's.
func TestBrowserOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file    string
		browser bool
	}{{"static/a.css", true}, {"page/own.css", false}, {"templates/a.html", false}} {
		s := watchSite(t, nil, "static/a.css", "p{}", "page/own.css", "p{}", "templates/a.html", "<p>",
			"embed.go", "package main\n\n//go:embed page\nvar x embed.FS\n")
		if s.write(tt.file, "new"); tt.file == "page/own.css" {
			s.remove(tt.file)
		}
		if c := s.next(); c.Browser != tt.browser || !slices.Equal(s.names(c), []string{tt.file}) {
			t.Errorf("%s: %+v, want Browser = %v", tt.file, c, tt.browser)
		}
	}
}

func TestSources(t *testing.T) {
	for _, tt := range []struct {
		match func(string) bool
		yes   string
		no    string
	}{
		{GoSource, "a.go go.mod go.sum go.work x.c x.h page.html page.tmpl page.templ a.css", "a_test.go _a.go .a.go a.txt a.md a.py a.js"},
		{PythonSource, "a.py wsgi.py page.html page.j2 a.css", "test_a.py a_test.py tests.py conftest.py a.pyc a.txt a.go"},
	} {
		for name := range strings.FieldsSeq(tt.yes) {
			if !tt.match("/src/" + name) {
				t.Errorf("%s is no source", name)
			}
		}
		for name := range strings.FieldsSeq(tt.no) {
			if tt.match("/src/" + name) {
				t.Errorf("%s is source", name)
			}
		}
	}
}

// TestOuterIgnore: the repository's .gitignore counts for a module in a folder of it,
// unless it would ignore all of the module.
func TestOuterIgnore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ignore string
		want   []string // of the saves below
	}{
		{"shop/gen/\n*_gen.go\n", []string{"shop/main.go"}},
		{"gen/**\n!gen/keep.go\n", []string{"shop/gen/x.go", "shop/main.go", "shop/x_gen.go"}}, // anchored: not of shop/gen
		{"shop/gen/**\n!shop/gen/x.go\n", []string{"shop/gen/x.go", "shop/main.go", "shop/x_gen.go"}},
		{"/shop\n*_gen.go\n", []string{"shop/gen/x.go", "shop/main.go", "shop/x_gen.go"}},
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := watchSite(t, func(dir string, w *Watcher) {
				w.Trees = []Tree{{Dir: filepath.Join(dir, "shop"), Match: GoSource}, {Dir: filepath.Join(dir, "zz"), Match: GoSource}}
			}, ".git/HEAD", "x", ".gitignore", tt.ignore, "shop/main.go", "package main", "shop/gen/x.go", "package gen", "shop/x_gen.go", "package main")
			s.write("shop/gen/x.go", "package gen // 2")
			s.write("shop/x_gen.go", "package main // 2")
			s.write("shop/main.go", "package main // 2")
			s.expect(tt.want...)
		})
	}
}

// TestExtraBehindLink: a folder that is a link is looked into.
func TestExtraBehindLink(t *testing.T) {
	t.Parallel()
	s := watchSite(t, func(dir string, w *Watcher) {
		os.Symlink("themes/dark", filepath.Join(dir, "theme"))
		w.Extra = []string{filepath.Join(dir, "theme")}
	}, "themes/dark/deep/page.txt", "1", "main.go", "package main")
	s.write("themes/dark/deep/page.txt", "2")
	s.expect("theme/deep/page.txt")
	s.link("themes/light", "theme.tmp")
	s.write("themes/light/deep/page.txt", "2")
	s.rename("theme.tmp", "theme")
	s.expect()
	s.write("themes/light/deep/page.txt", "3")
	s.expect("theme/deep/page.txt")
	s.write("themes/dark/new.go", "package dark") // its folder lost one of two names
	s.expect("themes/dark/new.go")
}

// TestOverflow: when events were lost everything is looked at.
func TestOverflow(t *testing.T) {
	t.Parallel()
	faults := make(chan error)
	s := watchSite(t, func(_ string, w *Watcher) {
		w.open = func() (*fsnotify.Watcher, error) {
			n, err := fsnotify.NewWatcher()
			n.Events, n.Errors = nil, faults // all of them are lost
			return n, err
		}
	}, "main.go", "package main")
	s.write("main.go", "package main // 2")
	faults <- fsnotify.ErrEventOverflow
	if got := s.names(s.next()); !slices.Equal(got, []string{"main.go"}) {
		t.Errorf("changed = %v", got)
	}
}

func TestModules(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "module.py")
	os.WriteFile(outside, []byte("x = 1"), 0o644)
	s := watchSite(t, nil, "main.go", "package main")
	s.w.Modules(t.Context(), []string{outside})
	s.expect() // learning is no change
	os.WriteFile(outside, []byte("x = 2"), 0o644)
	if c := s.next(); !slices.Equal(c.Paths, []string{outside}) {
		t.Errorf("changed = %v, want %v", c.Paths, outside)
	}
}

// What has changed is reported before CatchUp returns, whether the events of it are
// under way, have been read, or will come with the next look of a poll.
func TestCatchUp(t *testing.T) {
	for _, engine := range []Engine{Inotify, Poll} {
		t.Run(string(engine), func(t *testing.T) {
			s := watchSite(t, func(_ string, w *Watcher) { w.Engine = engine }, "main.go", "package main")
			for i := range 5 {
				s.write("main.go", fmt.Sprintf("package main // %d", i))
				s.w.CatchUp(t.Context())
				if len(s.changes) == 0 {
					t.Fatalf("save %d was not reported before CatchUp returned", i)
				}
				for len(s.changes) > 0 {
					s.next()
				}
			}
			s.w.CatchUp(t.Context())
			s.expect()
		})
	}
}

// TestWatchesArePruned counts what inotify was asked to watch.
func TestWatchesArePruned(t *testing.T) {
	var files []string
	for i := range 300 {
		files = append(files, fmt.Sprintf("node_modules/m%d/x.go", i), "package x",
			fmt.Sprintf(".venv/lib/m%d/x.py", i), "x")
	}
	s := watchSite(t, nil, append(files, "main.go", "package main", "a/a.go", "package a")...)
	s.expect()
	if n := kernelWatches(t); n != 3 {
		t.Errorf("%d directories are watched, want the 3 with source", n)
	}
}

// kernelWatches counts the inotify watches of this process.
func kernelWatches(t *testing.T) (n int) {
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil || len(infos) == 0 {
		t.Fatal("no /proc/self/fdinfo: ", err)
	}
	for _, info := range infos {
		text, _ := os.ReadFile(info)
		n += strings.Count(string(text), "inotify wd:")
	}
	return n
}

// TestFallsBackToPolling lets the kernel refuse.
func TestFallsBackToPolling(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := watchSite(t, func(_ string, w *Watcher) {
		w.open = func() (*fsnotify.Watcher, error) { return nil, syscall.EMFILE }
		w.Log = hclog.New(&hclog.LoggerOptions{Output: &log})
	}, "main.go", "package main")
	s.write("main.go", "package main // polled")
	if got := s.names(s.next()); !slices.Equal(got, []string{"main.go"}) {
		t.Errorf("changed = %v", got)
	}
	if n := strings.Count(log.String(), "fs.inotify.max_user_instances"); n != 1 {
		t.Errorf("the sysctl is named %d times, want once:\n%s", n, log.String())
	}
}

// TestDuring: what a program writes is told to whoever ran it, and is no change; what
// was saved before is one.
func TestDuring(t *testing.T) {
	for _, engine := range []Engine{Inotify, Poll} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			s := watchSite(t, func(_ string, w *Watcher) { w.Engine = engine }, "main.go", "package main", "gen/out.go", "package gen")
			s.write("main.go", "package main // saved")
			wrote := s.w.During(t.Context(), func() {
				if got := s.names(s.next()); !slices.Equal(got, []string{"main.go"}) {
					t.Errorf("before it: %v", got)
				}
				s.remove("gen")
				s.write("gen/out.go", "package gen // 2")
				s.write("gen/deep/more.go", "package deep")
				s.write("gen/notes.txt", "x")
			})
			if got := s.names(Change{Paths: wrote}); !slices.Equal(got, []string{"gen/deep/more.go", "gen/out.go"}) {
				t.Errorf("written: %v", got)
			}
			s.expect()
			s.write("gen/deep/more.go", "package deep // by hand")
			s.expect("gen/deep/more.go")
		})
	}
}

// TestIdleCostsNothing counts the watcher's wake-ups while nothing happens.
func TestIdleCostsNothing(t *testing.T) {
	s := watchSite(t, nil, "main.go", "package main")
	s.expect()
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	time.Sleep(time.Second) // the length of the measurement, not a wait for anything
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	if n := after.Nvcsw - before.Nvcsw; n > 100 {
		t.Errorf("%d context switches in an idle second", n)
	}
}
