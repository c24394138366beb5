// What is watched, and which of the events and files count.

package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/fsnotify/fsnotify"
)

// watchDirs brings the watches in line with dirs and says whether any was added.
func (w *Watcher) watchDirs(dirs map[string]uint64) (added bool) {
	for path, inode := range w.added {
		if now, wanted := dirs[path]; !wanted || now != inode {
			w.notify.Remove(path) // gone already, when the folder was deleted
			for _, same := range w.names[inode] {
				delete(w.added, same) // one watch had all its names
			}
			delete(w.added, path)
		}
	}
	for path, inode := range dirs {
		if _, done := w.added[path]; done {
			continue
		}
		if err := w.notify.Add(path); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			w.poll(err)
			return true
		}
		w.added[path], added = inode, true
	}
	clear(w.names)
	for path, inode := range w.added {
		w.names[inode] = append(w.names[inode], path)
	}
	return added
}

// matters says whether an event can mean a change, under any name of its folder.
func (w *Watcher) matters(e fsnotify.Event) bool {
	dir, name := filepath.Split(e.Name)
	if e.Op == fsnotify.Chmod || dropping(name) {
		return false
	}
	for _, other := range w.names[w.added[filepath.Clean(dir)]] {
		if w.counts(filepath.Join(other, name)) {
			return true
		}
	}
	return w.counts(e.Name)
}

// counts says whether something at path can be of interest.
func (w *Watcher) counts(path string) bool {
	name := filepath.Base(path)
	if _, watched := w.added[path]; watched || w.links[path] || name == ".gitignore" {
		return true
	}
	if _, known := w.last.files[path]; known || w.last.open[filepath.Dir(path)] {
		return true
	}
	for _, t := range w.Trees {
		if t.Match(path) {
			return true
		}
	}
	for _, p := range w.extra {
		if doublestar.PathMatchUnvalidated(p, path) {
			return true
		}
	}
	info, err := os.Lstat(path)
	return err == nil && (info.IsDir() && !pruned(path, name) || info.Mode()&fs.ModeSymlink != 0)
}

// browserOnly says whether the application reads path by itself.
func (w *Watcher) browserOnly(path string) bool {
	if w.Browser == nil {
		return filepath.Ext(path) == styleSheet
	}
	return slices.ContainsFunc(w.Browser, func(p string) bool { return doublestar.PathMatchUnvalidated(p, path) })
}
