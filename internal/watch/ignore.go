// What never counts as source: names that are pruned, and droppings of editors.

package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// prunedDirs are folders that hold no source wherever they stand.
var prunedDirs = []string{
	".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv", ".tox", ".nox",
	".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vscode", ".direnv", "site-packages",
}

// pruned says whether the walk stays out of the directory.
func pruned(path, name string) bool {
	if slices.Contains(prunedDirs, name) || strings.HasSuffix(name, ".egg-info") {
		return true
	}
	_, err := os.Lstat(filepath.Join(path, "pyvenv.cfg")) // a virtual environment of any name
	return err == nil
}

// dropping says whether an editor leaves files of this name beside the one it
// saves: Emacs's locks and autosaves, Vim's swap and probe files, JetBrains' and
// GNOME's temporaries, backups.
func dropping(name string) bool {
	switch {
	case strings.HasPrefix(name, ".#"), strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"),
		strings.HasSuffix(name, "~"), strings.HasSuffix(name, ".swp"), strings.HasSuffix(name, ".swx"),
		strings.HasSuffix(name, ".swo"), strings.HasSuffix(name, ".orig"), strings.HasSuffix(name, ".rej"),
		strings.Contains(name, "___jb_"), strings.HasPrefix(name, ".goutputstream-"), name == "4913":
		return true
	}
	return false
}

// GoSource matches what `go build` reads, the module files, and pages; files that a
// program embeds are found by themselves.
func GoSource(path string) bool {
	name := filepath.Base(path)
	switch filepath.Ext(name) {
	case ".go":
		return name[0] != '.' && name[0] != '_' && !strings.HasSuffix(name, "_test.go")
	case ".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".hxx", ".s", ".S", ".sx", ".swig", ".swigcxx", ".syso":
		return true
	}
	return name == "go.mod" || name == "go.sum" || name == "go.work" || PageSource(path)
}

// PythonSource matches modules, but not those that only a test runner loads, and pages.
// A module of such a name that the application has loaded is watched by itself.
func PythonSource(path string) bool {
	name := filepath.Base(path)
	if filepath.Ext(name) != ".py" {
		return PageSource(path)
	}
	return !strings.HasPrefix(name, "test_") && !strings.HasSuffix(name, "_test.py") && name != "tests.py" && name != "conftest.py"
}

// PageSource matches templates, which most programs read once, and style sheets.
func PageSource(path string) bool {
	switch filepath.Ext(path) {
	case ".html", ".htm", ".gohtml", ".tmpl", ".tpl", ".templ", ".jinja", ".jinja2", ".j2", ".mako", styleSheet:
		return true
	}
	return false
}

const styleSheet = ".css"

// isDir says whether path is a directory, links followed.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// regular says whether an entry can be source: a file, or a link to one.
func regular(d fs.DirEntry) bool { return d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0 }
