// The rules of .gitignore files, as gitignore(5) describes them.

package watch

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// ignoreRule is one line of a .gitignore file.
type ignoreRule struct {
	dir     string // of the file; the rule says nothing about paths outside
	pattern string // doublestar, relative to dir
	negate  bool   // "!": what an earlier rule excluded counts again
	dirOnly bool   // "name/"
}

// readIgnore returns the rules of dir's .gitignore; none when it has none.
func readIgnore(dir string) (rules []ignoreRule) {
	f, err := os.Open(filepath.Join(dir, ".gitignore"))
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if r, ok := parseIgnore(dir, lines.Text()); ok {
			rules = append(rules, r)
		}
	}
	return rules
}

// outerRules returns the rules of the folders around dir, up to the repository's root;
// none when they exclude dir itself, which somebody wants to be watched after all.
func outerRules(dir string) (rules []ignoreRule) {
	var around []string
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			break
		}
		if at == filepath.Dir(at) {
			return nil // in no repository
		}
		around = append(around, filepath.Dir(at))
	}
	for _, at := range slices.Backward(around) {
		rules = append(rules, readIgnore(at)...)
	}
	for _, at := range append(around, dir) {
		if ignored(rules, at, true) {
			return nil
		}
	}
	return rules
}

// parseIgnore reads one line. A pattern with a slash before its end is anchored
// to dir, one without matches at any depth.
func parseIgnore(dir, line string) (r ignoreRule, ok bool) {
	line = strings.TrimSuffix(line, "\r")
	if !strings.HasSuffix(line, `\ `) {
		line = strings.TrimRight(line, " ")
	}
	if line == "" || line[0] == '#' {
		return r, false
	}
	r.dir = dir
	if line[0] == '!' {
		r.negate, line = true, line[1:]
	}
	if folder, found := strings.CutSuffix(line, "/"); found {
		r.dirOnly, line = true, folder
	}
	if strings.HasSuffix(line, "/**") {
		line += "/*" // what is inside, but not the folder, from which some may be excepted
	}
	if anchored := strings.Contains(line, "/"); anchored {
		r.pattern = strings.TrimPrefix(line, "/")
	} else {
		r.pattern = "**/" + line
	}
	return r, line != "" && doublestar.ValidatePattern(r.pattern)
}

// ignored says whether the last rule that matches path excludes it. Rules of
// outer folders come first.
func ignored(rules []ignoreRule, path string, dir bool) (out bool) {
	for _, r := range rules {
		if r.dirOnly && !dir || r.negate != out {
			continue
		}
		rel, err := filepath.Rel(r.dir, path)
		if err != nil || strings.HasPrefix(rel, "..") {
			continue
		}
		if doublestar.MatchUnvalidated(r.pattern, filepath.ToSlash(rel)) {
			out = !r.negate
		}
	}
	return out
}
