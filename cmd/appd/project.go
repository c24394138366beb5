// What kind of project a folder holds.

package main

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/appd-server/appd/internal/config"
)

// project is an application that was found.
type project struct {
	kind   config.Kind
	words  []string
	python string // interpreter of a virtual environment, "" = none here
}

func (p project) String() string { return p.attribute() }

// attribute is the line of the app block that names the application.
func (p project) attribute() string {
	if p.kind == config.Go || p.kind == config.WSGI {
		return fmt.Sprintf("%s = %q", p.kind, p.words[0])
	}
	quoted := make([]string, len(p.words))
	for i, w := range p.words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return fmt.Sprintf("%s = [%s]", p.kind, strings.Join(quoted, ", "))
}

func (p project) protocol() string {
	if p.kind == config.FastCGI {
		return "fastcgi"
	}
	return "auto"
}

func (p project) nginxPass() string {
	if p.kind == config.WSGI {
		return "uwsgi"
	}
	return "fastcgi"
}

// details are the other lines of the app block.
func (p project) details() string {
	switch {
	case p.kind == config.Go:
		return "  # build_flags = [\"-tags=prod\"]\n  # env = { NAME = \"value\" }\n"
	case p.kind == config.WSGI && p.python != "":
		return fmt.Sprintf("  python = %q\n  # threads = 4\n  # preload_app = true # share memory between workers\n  # env = { NAME = \"value\" }\n", p.python)
	case p.kind == config.WSGI:
		return "  # python = \"/srv/venv/bin/python\"\n  # threads = 4\n  # preload_app = true # share memory between workers\n  # env = { NAME = \"value\" }\n"
	}
	return "  # env = { NAME = \"value\" }\n"
}

// limits are settings that matter to this kind.
func (p project) limits() string {
	if !p.kind.Contract() {
		return ""
	}
	return "timeout = \"30s\" # of one request\n# max_requests = 10000\n# accesslog = \"-\"\n# reload = true # while developing; or run: appd dev\n"
}

// findProjects looks for applications, the likeliest first.
func findProjects(dir string) (found []project) {
	found = append(found, findGo(dir)...)
	found = append(found, findPython(dir)...)
	found = append(found, findPHP(dir)...)
	if len(found) == 0 {
		found = findBinaries(dir)
	}
	return found
}

var packageMain = regexp.MustCompile(`(?m)^package main\b`)

// findGo looks for package main in . and ./cmd/*.
func findGo(dir string) (found []project) {
	folders, _ := filepath.Glob(filepath.Join(dir, "cmd", "*"))
	for _, folder := range append([]string{dir}, folders...) {
		files, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil || strings.HasSuffix(f, "_test.go") || !packageMain.Match(text) {
				continue
			}
			rel, _ := filepath.Rel(dir, folder)
			if rel != "." {
				rel = "./" + rel
			}
			found = append(found, project{kind: config.Go, words: []string{rel}})
			break
		}
	}
	return found
}

// What makes a Python file an application.
var (
	wsgiObject  = regexp.MustCompile(`(?m)^(application|app)\s*(?::[^=\n]+)?=\s*[\w.]+\(`)
	wsgiFunc    = regexp.MustCompile(`(?m)^def (application|app)\(environ`)
	wsgiFactory = regexp.MustCompile(`(?m)^def (create_app|make_app)\(`)
)

// findPython looks for WSGI applications in the files where they usually are.
func findPython(dir string) (found []project) {
	var files []string
	for _, pattern := range []string{"*/wsgi.py", "wsgi.py", "app.py", "main.py", "*/app.py", "*/__init__.py", "src/*/wsgi.py", "src/*/__init__.py", "*.py", "*/*.py"} {
		more, _ := filepath.Glob(filepath.Join(dir, pattern))
		files = append(files, more...)
	}
	venv, seen := findVenv(dir), []string(nil)
	for _, f := range files {
		rel, _ := filepath.Rel(dir, f)
		if slices.Contains(seen, rel) || strings.Contains(rel, "venv") || strings.HasPrefix(filepath.Base(rel), "test_") || strings.HasPrefix(rel, "tests/") || strings.HasPrefix(rel, ".") {
			continue
		}
		seen = append(seen, rel)
		if callable := wsgiCallable(f); callable != "" {
			module := strings.TrimSuffix(strings.TrimSuffix(rel, ".py"), "/__init__")
			module = strings.TrimPrefix(strings.ReplaceAll(module, "/", "."), "src.")
			found = append(found, project{kind: config.WSGI, words: []string{module + ":" + callable}, python: venv})
		}
	}
	return found
}

// wsgiCallable is the name of the application that a file defines, or "".
func wsgiCallable(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, re := range []*regexp.Regexp{wsgiFunc, wsgiObject} {
		if m := re.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	if m := wsgiFactory.FindSubmatch(text); m != nil {
		return string(m[1]) + "()"
	}
	return ""
}

// findVenv is the interpreter of a virtual environment in dir, as a path from dir.
func findVenv(dir string) string {
	for _, name := range []string{".venv", "venv", "env"} {
		path := filepath.Join(dir, name, "bin", "python")
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return "./" + filepath.Join(name, "bin", "python")
		}
	}
	return ""
}

func findPHP(dir string) []project {
	for _, name := range []string{"index.php", "public/index.php"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return []project{{kind: config.FastCGI, words: []string{"php-cgi"}}}
		}
	}
	return nil
}

// findBinaries looks for programs in . and ./bin.
func findBinaries(dir string) (found []project) {
	for _, pattern := range []string{"bin/*", "*"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil || info.IsDir() || info.Mode()&0o111 == 0 || !isELF(f) {
				continue
			}
			rel, _ := filepath.Rel(dir, f)
			found = append(found, project{kind: config.Command, words: []string{"./" + rel}})
		}
	}
	return found
}

func isELF(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN
}
