// The import rules, checked against what go list says.

package layers

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/appd-server/appd"

// A rule says which of our packages one package (or, with a trailing /, a tree)
// may import, and why nothing else. Entries of may follow the same form.
type rule struct {
	pkg string
	may []string
	why string
}

// rules are tried in order; the first that names a package counts. A package
// that no rule names may import anything but package main.
var rules = []rule{
	{"protocols/chunks", nil, "a framing stands on nothing"},
	{"protocols/cgi", nil, "the codecs' common base stands on nothing"},
	{"protocols/", []string{"protocols/"}, "a codec is pure: it can be used without the rest"},
	{"protocols", []string{"protocols/"}, "requests are built from what the codecs found, nothing else"},
	{"internal/handoff", nil, "both sides of the contract link it"},
	{"internal/accesslog", []string{"protocols", "protocols/", "internal/handoff"}, "it is part of every application"},
	{"internal/eventloop", []string{"protocols", "protocols/", "internal/handoff", "internal/accesslog"}, "it serves every language, so it knows no application"},
	{"server/python/", []string{"server/python/", "server/dev", "internal/eventloop", "protocols", "protocols/", "internal/handoff", "internal/accesslog"}, "it is loaded into foreign interpreters"},
	{"server", []string{"server/", "internal/eventloop", "protocols", "protocols/", "internal/handoff", "internal/accesslog"}, "it is part of every application"},
	{"server/", []string{"server", "server/", "internal/eventloop", "protocols", "protocols/", "internal/handoff", "internal/accesslog"}, "it is part of every application"},
	{"supervisor", []string{"supervisor/", "internal/handoff", "internal/accounts"}, "it never reads a request nor a configuration"},
	{"nginx", nil, "it writes nginx's configuration and knows nothing of appd's"},
}

// lean packages and all they depend on: standard library and golang.org/x only,
// because every application links them.
var lean = []string{"server", "server/", "protocols", "protocols/", "internal/eventloop", "internal/handoff", "internal/accesslog", "nginx"}

// noHTTP packages never pull in net/http, because the engine that is loaded into
// other languages' interpreters consists of them.
var noHTTP = []string{"protocols/cgi", "protocols/chunks", "protocols/fastcgi", "protocols/uwsgi", "protocols/http1", "internal/handoff"}

type pkg struct {
	ImportPath string
	Dir        string
	Name       string
	Standard   bool
	Imports    []string
	Deps       []string
}

// packages lists ours, with what they import, for Linux.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Name,Standard,Imports,Deps", module+"/...")
	cmd.Env = append(os.Environ(), "GOOS=linux")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 3 {
		t.Fatalf("go list names %d packages", len(list))
	}
	return list
}

// ours cuts the module's name off; ok is false for a foreign package.
func ours(importPath string) (rel string, ok bool) {
	return strings.CutPrefix(importPath, module+"/")
}

// named says whether rel is one of names, or below one that ends in a slash.
func named(rel string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return rel == n || strings.HasSuffix(n, "/") && strings.HasPrefix(rel, n)
	})
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		rel, _ := ours(p.ImportPath)
		i := slices.IndexFunc(rules, func(r rule) bool { return named(rel, []string{r.pkg}) })
		if i < 0 {
			continue
		}
		for _, imp := range p.Imports {
			if dep, ok := ours(imp); ok && !named(dep, rules[i].may) {
				t.Errorf("%s imports %s: %s", rel, dep, rules[i].why)
			}
		}
	}
}

func TestLeanClosure(t *testing.T) {
	for _, p := range packages(t) {
		rel, _ := ours(p.ImportPath)
		if !named(rel, lean) {
			continue
		}
		for _, dep := range p.Deps {
			_, our := ours(dep)
			first, _, _ := strings.Cut(dep, "/")
			standard := !strings.Contains(first, ".")
			if !our && !standard && !strings.HasPrefix(dep, "golang.org/x/") {
				t.Errorf("%s depends on %s: only the standard library and golang.org/x may be linked into an application", rel, dep)
			}
		}
	}
}

func TestCodecsWithoutNetHTTP(t *testing.T) {
	for _, p := range packages(t) {
		rel, _ := ours(p.ImportPath)
		if named(rel, noHTTP) && slices.Contains(p.Deps, "net/http") {
			t.Errorf("%s depends on net/http", rel)
		}
	}
}

// An example's package comment stands in its main.go; everywhere else it has a file of its own.
func TestEveryPackageHasDoc(t *testing.T) {
	for _, p := range packages(t) {
		rel, _ := ours(p.ImportPath)
		file := "doc.go"
		if strings.HasPrefix(rel, "examples/") {
			file = "main.go"
		}
		text, err := os.ReadFile(filepath.Join(p.Dir, file))
		if err != nil {
			t.Errorf("%s: no %s", rel, file)
			continue
		}
		want := "// Package " + p.Name + " "
		if p.Name == "main" {
			want = "// Command " + path.Base(rel) + " "
		}
		if !strings.Contains("\n"+string(text), "\n"+want) {
			t.Errorf("%s/%s does not begin its package comment with %q", rel, file, want)
		}
	}
}
