// What development watches: the trees and files that an application is made of, as
// the configuration in force names them.

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/watch"
)

// watched is what one configuration has watched.
type watched struct {
	sources sources
	watcher *watch.Watcher
	ctx     context.Context
	end     context.CancelFunc
}

// sources are the settings that say what is watched.
type sources struct {
	Kind           config.Kind
	Dir            string
	Paths          []string
	Files, Browser []string
	Engine         string
	Modules        string // the files that say where a Go package's other modules are
}

// watch has the sources of c watched from now on, before they are built, so that no
// save is missed: nil without reload = true, what is watched already if it is the same.
func (d *developer) watch(c *config.Config) *watched {
	if !c.Reload {
		return nil
	}
	what := sources{c.App.Kind, c.App.Chdir, c.App.PythonPath, sourceFiles(c), c.BrowserReload, c.ReloadEngine, ""}
	if c.App.Kind == config.Go {
		what.Modules = moduleFiles(c.App.Chdir)
	}
	if w := d.watched.Load(); w != nil && reflect.DeepEqual(w.sources, what) {
		return w
	}
	w := &watched{sources: what}
	w.ctx, w.end = context.WithCancel(d.s.ctx)
	w.watcher = watch.New(watch.Watcher{
		Trees:   sourceTrees(c),
		Extra:   what.Files,
		Browser: what.Browser,
		Engine:  watch.Engine(what.Engine),
		Log:     d.s.log.Named("watch"),
		Changed: func(c watch.Change) { d.change(w.ctx, c) },
	})
	w.watcher.Begin()
	d.s.sides.Go(func() { w.watcher.Run(w.ctx) })
	return w
}

// adopt makes w what is watched; nil is nothing.
func (d *developer) adopt(w *watched) {
	if old := d.watched.Swap(w); old != nil && old != w {
		old.end()
	}
}

// drop ends w, of a configuration that does not come into force.
func (d *developer) drop(w *watched) {
	if w != nil && w != d.watched.Load() {
		w.end()
	}
}

// loaded takes in what workers say they have loaded.
func (w *watched) loaded(files []string) { w.watcher.Modules(w.ctx, files) }

// sourceTrees are the folders that hold an application's source.
func sourceTrees(c *config.Config) []watch.Tree {
	dir := c.App.Chdir
	switch c.App.Kind {
	case config.Go:
		return goTrees(dir)
	case config.WSGI:
		trees := []watch.Tree{{Dir: dir, Match: watch.PythonSource, Prune: []string{filepath.Join(dir, "build"), filepath.Join(dir, "dist")}}}
		for _, p := range c.App.PythonPath {
			trees = append(trees, watch.Tree{Dir: p, Match: watch.PythonSource})
		}
		return trees
	}
	return []watch.Tree{{Dir: dir, Match: scriptSource}}
}

// goTrees are the modules whose source is here: the main module, or all of a
// workspace, and those that a replace directive points to.
func goTrees(dir string) (trees []watch.Tree) {
	const local = `{{if .Main}}{{.Dir}}{{else if .Replace}}{{if not .Replace.Version}}{{.Dir}}{{end}}{{end}}`
	cmd := exec.Command("go", "list", "-m", "-e", "-f", local, "all")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil { // no module, or one that cannot be loaded at the moment
		return []watch.Tree{{Dir: moduleRoot(dir), Match: watch.GoSource}}
	}
	for root := range strings.Lines(string(out)) {
		if root = strings.TrimSuffix(root, "\n"); root != "" {
			trees = append(trees, watch.Tree{Dir: root, Match: watch.GoSource})
		}
	}
	return trees
}

// moduleFiles is what go.mod and go.work say.
func moduleFiles(dir string) string {
	cmd := exec.Command("go", "env", "GOMOD", "GOWORK")
	cmd.Dir = dir
	names, _ := cmd.Output()
	var all []byte
	for name := range strings.Lines(string(names)) {
		text, _ := os.ReadFile(strings.TrimSpace(name))
		all = append(all, text...)
	}
	return string(all)
}

// moduleRoot is the nearest folder above dir with a go.mod, or dir.
func moduleRoot(dir string) string {
	for root := dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return root
		}
		if root == filepath.Dir(root) {
			return dir
		}
	}
}

// scripts are the endings of source files in languages that need no compiler.
var scripts = []string{".js", ".mjs", ".cjs", ".ts", ".php", ".py", ".rb", ".pl", ".pm", ".lua", ".ex", ".exs", ".jl", ".r", ".R", ".sh"}

func scriptSource(path string) bool {
	return slices.Contains(scripts, filepath.Ext(path)) || watch.PageSource(path)
}

// sourceFiles are the single files and patterns besides: the configuration, the
// environment, the program itself, and reload_extra_files.
func sourceFiles(c *config.Config) []string {
	files := slices.Clone(c.ReloadExtraFiles)
	if c.File != "" {
		if path, err := filepath.Abs(c.File); err == nil {
			files = append(files, path)
		}
	}
	files = append(files, c.App.EnvFile...)
	for _, command := range [][]string{c.App.Command, c.App.FastCGI, c.App.Exec} {
		if len(command) > 0 && strings.Contains(command[0], "/") {
			path := command[0]
			if !filepath.IsAbs(path) {
				path = filepath.Join(c.App.Chdir, path)
			}
			files = append(files, path)
		}
	}
	return files
}
