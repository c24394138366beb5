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
	path   string // pythonpath, "" = the project's own folder
	chdir  string // "" = the project's own folder
	root   string // folder of PHP scripts, absolute
}

func (p project) String() string { return p.attribute() }

// attribute is the line of the app block that names the application.
func (p project) attribute() string {
	if p.kind == config.Go || p.kind == config.WSGI {
		return fmt.Sprintf("%s = %s", p.kind, config.Quote(p.words[0]))
	}
	quoted := make([]string, len(p.words))
	for i, w := range p.words {
		quoted[i] = config.Quote(w)
	}
	return fmt.Sprintf("%s = [%s]", p.kind, strings.Join(quoted, ", "))
}

// protocol is what the listener speaks.
func (p project) protocol() string {
	switch p.kind {
	case config.FastCGI:
		return "fastcgi"
	case config.Exec:
		return "http"
	}
	return "auto"
}

// nginxPass is what nginx speaks to it.
func (p project) nginxPass() string {
	switch p.kind {
	case config.WSGI:
		return "uwsgi"
	case config.Exec:
		return "http"
	}
	return "fastcgi"
}

// details are the other lines of the app block.
func (p project) details() string {
	where := ""
	if p.chdir != "" {
		where += fmt.Sprintf("  chdir = %s\n", config.Quote(p.chdir))
	}
	if p.path != "" {
		where += fmt.Sprintf("  pythonpath = [%s]\n", config.Quote(p.path))
	}
	switch {
	case p.kind == config.Go:
		return "  # build_flags = [\"-tags=prod\"]\n  # env = { NAME = \"value\" }\n"
	case p.kind == config.WSGI && p.python != "":
		return where + fmt.Sprintf("  python = %s\n", config.Quote(p.python)) + pythonHints
	case p.kind == config.WSGI:
		return where + "  # python = \"/srv/venv/bin/python\"\n" + pythonHints
	}
	return where + "  # env = { NAME = \"value\" }\n"
}

const pythonHints = `  # threads = 4
  # preload_app = true # share memory between workers
  # env = { NAME = "value" }
`

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
	found = append(found, findDjango(dir)...)
	for _, p := range findPython(dir) {
		if !slices.ContainsFunc(found, func(q project) bool { return slices.Equal(p.words, q.words) }) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		found = findASGI(dir)
	}
	found = append(found, findPHP(dir)...)
	if len(found) == 0 {
		found = findBinaries(dir)
	}
	return found
}

var (
	packageMain = regexp.MustCompile(`(?m)^package main\b`)
	buildIgnore = regexp.MustCompile(`(?m)^//go:build ignore\b`) // a tool that is run by hand
)

// findGo looks for package main in . and ./cmd/*.
func findGo(dir string) (found []project) {
	folders, _ := filepath.Glob(filepath.Join(dir, "cmd", "*"))
	for _, folder := range append([]string{dir}, folders...) {
		files, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil || strings.HasSuffix(f, "_test.go") || !packageMain.Match(text) || buildIgnore.Match(text) {
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
	wsgiFunc    = regexp.MustCompile(`(?m)^def (application|app)\(\s*\w+\s*,\s*\w+\s*\)`)
	notWSGI     = regexp.MustCompile(`=\s*(?:\w+\.)*(?:Celery|Typer|Client|TestClient|QApplication|Huey|FastAPI|Starlette|Quart|Litestar|Sanic|get_asgi_application)\(`)
	asgiObject  = regexp.MustCompile(`(?m)^(application|app)\s*(?::[^=\n]+)?=\s*(?:\w+\.)*(?:FastAPI|Starlette|Quart|Litestar|get_asgi_application)\(`)
	djangoSet   = regexp.MustCompile(`DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']`)
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
			p := project{kind: config.WSGI, python: venv}
			if inside, ok := strings.CutPrefix(rel, "src/"); ok {
				rel, p.path = inside, "src"
			}
			p.words = []string{moduleOf(rel) + ":" + callable}
			found = append(found, p)
		}
	}
	return found
}

// moduleOf is the module that a file is, as import names it.
func moduleOf(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(file, ".py"), "/__init__"), "/", ".")
}

// findDjango looks for manage.py, here or in a folder, which names the settings and so
// the package with wsgi.py.
func findDjango(dir string) (found []project) {
	for _, pattern := range []string{"manage.py", "*/manage.py"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, f := range files {
			text, err := os.ReadFile(f)
			m := djangoSet.FindSubmatch(text)
			if err != nil || m == nil {
				continue
			}
			pkg, _, _ := strings.Cut(string(m[1]), ".settings") // also of settings.local
			file := filepath.Join(filepath.Dir(f), strings.ReplaceAll(pkg, ".", "/"), "wsgi.py")
			if wsgiCallable(file) == "" {
				continue
			}
			p := project{kind: config.WSGI, words: []string{pkg + ".wsgi:application"}, python: findVenv(dir)}
			if rel, _ := filepath.Rel(dir, filepath.Dir(f)); rel != "." {
				p.chdir = rel
			}
			found = append(found, p)
		}
	}
	return found
}

// findASGI looks for applications that take another server, which appd supervises.
func findASGI(dir string) (found []project) {
	for _, pattern := range []string{"main.py", "app.py", "*/main.py", "*/app.py", "*/asgi.py", "*/__init__.py"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, f := range files {
			text, err := os.ReadFile(f)
			m := asgiObject.FindSubmatch(text)
			if err != nil || m == nil {
				continue
			}
			rel, _ := filepath.Rel(dir, f)
			server := "uvicorn"
			if venv := findVenv(dir); venv != "" {
				server = filepath.Dir(venv) + "/uvicorn"
			}
			found = append(found, project{kind: config.Exec, words: []string{server, "--fd", "3", moduleOf(rel) + ":" + string(m[1])}})
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
		if m := re.FindSubmatch(text); m != nil && !notWSGI.Match(m[0]) {
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
	for _, root := range []string{"public", "web", "."} {
		if _, err := os.Stat(filepath.Join(dir, root, "index.php")); err == nil {
			return []project{{kind: config.FastCGI, words: []string{"php-cgi"}, root: filepath.Join(dir, root)}}
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
