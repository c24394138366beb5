// The survey: which files count, what is in them, which directories to watch.

package watch

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// maxHashed bounds what is read of one file; of a larger one only size and time
// are compared.
const maxHashed = 32 << 20

// freshFor is longer than a tick of any file system's clock.
const freshFor = 50 * time.Millisecond

// stamp is what a survey remembers of a file.
type stamp struct {
	size   int64
	mtime  int64
	ctime  int64 // which nobody can set: a file that takes another's place may have its size, time and inode
	inode  uint64
	link   string // target of a symbolic link
	fresh  bool   // written so lately that its time may stay the same for the next write
	hash   [sha256.Size]byte
	embeds []string // patterns of //go:embed lines
}

// survey is the state of everything that counts at one moment.
type survey struct {
	files  map[string]stamp
	embeds map[string]bool   // files that a Go program has inside itself
	dirs   map[string]uint64 // directories to watch, with their inode
	open   map[string]bool   // those in which every file counts: embedded folders
}

// survey looks at everything. Files whose size, times and inode are those of last
// are not read again.
func (w *Watcher) survey(last survey) survey {
	s := surveyor{w: w, last: last, now: survey{
		files: map[string]stamp{}, embeds: map[string]bool{}, dirs: map[string]uint64{}, open: map[string]bool{},
	}}
	for _, t := range w.Trees {
		s.approach(t.Dir)
		s.walk(t, t.Dir, outerRules(t.Dir))
	}
	for _, pattern := range w.extra {
		s.glob(pattern)
	}
	for file := range w.modules {
		s.approach(filepath.Dir(file))
		s.dir(filepath.Dir(file))
		s.file(file)
	}
	return s.now
}

// surveyor makes one survey.
type surveyor struct {
	w         *Watcher
	last, now survey
}

// approach has the parents of the links on the way to path watched, so that a
// swapped link is noticed; and the nearest parent that exists, when path does not.
func (s *surveyor) approach(path string) {
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		switch {
		case err != nil:
			s.dir(filepath.Dir(dir))
		case info.Mode()&fs.ModeSymlink != 0:
			s.dir(filepath.Dir(dir))
			s.w.links[dir] = true
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// dir has the directory watched, if it is one.
func (s *surveyor) dir(path string) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		s.now.dirs[path] = info.Sys().(*syscall.Stat_t).Ino
	}
}

// walk takes in the tree below dir.
func (s *surveyor) walk(t Tree, dir string, rules []ignoreRule) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	s.dir(dir)
	rules = append(slices.Clip(rules), readIgnore(dir)...)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if !pruned(path, e.Name()) && !slices.Contains(t.Prune, path) && !ignored(rules, path, true) {
				s.walk(t, path, rules)
			}
		case regular(e) && t.Match(path) && !dropping(e.Name()) && !ignored(rules, path, false):
			s.file(path)
			s.embedded(path)
		}
	}
}

// glob takes in the files that an absolute pattern names, and watches the
// directories in which such files may appear.
func (s *surveyor) glob(pattern string) {
	base, rest := doublestar.SplitPattern(pattern)
	s.approach(base)
	if !isDir(base) {
		return
	}
	s.dir(base)
	deep := strings.Contains(rest, "/") || strings.Contains(rest, "**")
	// With a slash, because the folder may be a link, which a walk does not follow.
	filepath.WalkDir(base+"/", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case path == base+"/":
			return nil
		case d.IsDir():
			if !deep || pruned(path, d.Name()) {
				return fs.SkipDir
			}
			s.dir(path)
		case regular(d) && !dropping(d.Name()) && doublestar.PathMatchUnvalidated(pattern, path):
			s.file(path)
		}
		return nil
	})
}

// embedded takes in what a Go file embeds.
func (s *surveyor) embedded(gofile string) {
	for _, pattern := range s.now.files[gofile].embeds {
		names, _ := filepath.Glob(filepath.Join(filepath.Dir(gofile), pattern))
		for _, name := range names {
			filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
				case d.IsDir():
					s.dir(path)
					s.now.open[path] = true
				case !dropping(d.Name()):
					s.dir(filepath.Dir(path))
					s.file(path)
					s.now.embeds[path] = true
				}
				return nil
			})
		}
	}
}

// file stamps one file. A link to a file counts as what it leads to.
func (s *surveyor) file(path string) {
	if _, done := s.now.files[path]; done {
		return
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	st := info.Sys().(*syscall.Stat_t)
	now := stamp{size: info.Size(), mtime: info.ModTime().UnixNano(), ctime: st.Ctim.Nano(), inode: st.Ino}
	now.link, _ = os.Readlink(path)
	before, known := s.last.files[path]
	if known && !before.fresh && before.size == now.size && before.mtime == now.mtime && before.ctime == now.ctime && before.inode == now.inode && before.link == now.link {
		s.now.files[path] = before
		return
	}
	now.fresh = time.Since(time.Unix(0, now.ctime)) < freshFor
	if now.size <= maxHashed {
		now.hash, now.embeds = read(path)
	}
	s.now.files[path] = now
}

var embedLine = regexp.MustCompile(`(?m)^//go:embed[ \t]+(.+)$`)

// read hashes a file and, if it is Go, finds what it embeds.
func read(path string) (hash [sha256.Size]byte, embeds []string) {
	f, err := os.Open(path)
	if err != nil {
		return hash, nil
	}
	defer f.Close()
	if filepath.Ext(path) != ".go" {
		h := sha256.New()
		io.Copy(h, f)
		h.Sum(hash[:0])
		return hash, nil
	}
	text, _ := io.ReadAll(f)
	for _, m := range embedLine.FindAllSubmatch(text, -1) {
		for pattern := range strings.FieldsSeq(string(m[1])) {
			embeds = append(embeds, strings.TrimPrefix(strings.Trim(pattern, "\"`"), "all:"))
		}
	}
	return sha256.Sum256(text), embeds
}

// changes lists the files whose content is not what it was, sorted. A file
// that was too large to be hashed counts as changed when its size or time is.
func changes(before, now survey) (paths []string) {
	for path, n := range now.files {
		b, known := before.files[path]
		large := n.size > maxHashed && (b.size != n.size || b.mtime != n.mtime)
		if !known || b.hash != n.hash || large {
			paths = append(paths, path)
		}
	}
	for path := range before.files {
		if _, there := now.files[path]; !there {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}
