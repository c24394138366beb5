// Development, as a person at a browser sees it.

package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/nginx"
)

// project is a Go module that is being developed.
type project struct {
	t   *testing.T
	dir string
}

func newProject(t *testing.T) *project {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	repository := strings.TrimSpace(string(out))
	p := &project{t: t, dir: folder(t, t.Name()+"-project")}
	p.write("go.mod", fmt.Sprintf("module shop\n\ngo 1.26\n\nrequire github.com/appd-server/appd v0.0.0\n\nreplace github.com/appd-server/appd => %s\n", repository))
	sum, err := os.ReadFile(filepath.Join(repository, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("go.sum", string(sum))
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	write(p.t, filepath.Join(p.dir, name), text)
}

// style is the first style sheet of page's page, which asks for just that content.
const style = "body { color: rgb(1, 1, 1) }"

// page saves a program whose page has this title.
func (p *project) page(title string) {
	sum := sha256.Sum256([]byte(style))
	integrity := "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
	p.write("main.go", fmt.Sprintf(`package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/appd-server/appd/server"
)

func main() {
	http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) {
		go panic("nobody catches this")
		select {}
	})
	http.HandleFunc("/style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "style.css") })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><html><head><title>%%s</title><link rel=stylesheet href=/style.css integrity=%s></head><body>page</body></html>", %q)
	})
	if err := server.Run(nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`, integrity, title))
}

// TestDevelopInBrowser: one page opened directly over HTTP, the same one behind
// nginx over FastCGI and over uwsgi. Nobody touches the browser.
func TestDevelopInBrowser(t *testing.T) {
	p := newProject(t)
	addr := freeAddr(t)
	socket := filepath.Join(p.dir, "dev.sock")
	p.write("style.css", style)
	p.write("main.go", "package main\n\nfunc main() { broken\n")
	p.write("appd.hcl", fmt.Sprintf(`app { go = "." }
listen %q { protocol = "http" }
listen "unix:%s" { mode = "0666" }
browser_reload = ["*.css"]
run_dir = %q
`, addr, socket, filepath.Join(p.dir, "run")))
	server := launch(t, "develop", []string{"GOFLAGS=-mod=mod"}, binary(t, "appd"), "dev", "-c", filepath.Join(p.dir, "appd.hcl"))
	server.awaitListen(t, addr)
	pages := map[string]string{"http": addr, "fastcgi": freeAddr(t), "uwsgi": freeAddr(t)}
	var sites []nginx.Site
	for _, protocol := range []string{"fastcgi", "uwsgi"} {
		sites = append(sites, nginx.Site{Name: protocol, Listen: []string{pages[protocol]}, Protocol: protocol, Upstream: "unix:" + socket, Timeout: limit})
	}
	runNginx(t, "develop-nginx", sites, "")

	b := startChromium(t)
	var tabs []*tab
	eventually(t, "the stand-in", func() bool {
		a, err := request(addr, "GET", "/", nil, header("Accept", "application/json"))
		return err == nil && a.status == 500 && strings.Contains(string(a.body), "main.go:4")
	})
	for name, at := range pages {
		tabs = append(tabs, b.open(t, name, "http://"+at+"/"))
	}
	all := func(what, expression, want string) {
		t.Helper()
		for _, tab := range tabs {
			tab.await(what, expression, want)
		}
	}
	all("the stand-in's page", `document.body.innerText.includes("main.go:4")`, "true")
	p.page("one")
	all("the first start that succeeds", "document.title", "one")
	p.page("two")
	all("a reload", "document.title", "two")

	all("the style sheet as it was", "getComputedStyle(document.body).color", "rgb(1, 1, 1)")
	all("mark", "window.mark = 1", "1")
	p.write("style.css", "body { color: rgb(2, 2, 2) }")
	all("a style sheet", "getComputedStyle(document.body).color", "rgb(2, 2, 2)")
	all("still the same page", "window.mark", "1")

	p.write("main.go", "package main\n\nfunc main() { undefinedName() }\n")
	all("the overlay", `document.getElementById("appd-overlay")?.shadowRoot.textContent.includes("undefinedName")`, "true")
	all("the page under it", "document.title", "two")
	p.page("three")
	all("a mended error", "document.title", "three")
	all("no overlay", `document.getElementById("appd-overlay")`, "null")

	request(addr, "GET", "/crash", nil) // the browser never meets the code that crashes
	all("the report of a crash", `document.body.innerText.includes("GET /crash for") && document.body.innerText.includes("panic: nobody catches this")`, "true")
	if n := strings.Count(server.text(), "panic: nobody catches this"); n != 1 {
		t.Errorf("the terminal shows the panic %d times", n)
	}
	p.page("four")
	all("the application is back", "document.title", "four")
}

// develop starts `appd dev` on a project whose appd.hcl starts with app, and waits
// until it listens.
func (p *project) develop(app string) (addr string, server *process) {
	t := p.t
	t.Helper()
	addr = freeAddr(t)
	p.write("appd.hcl", fmt.Sprintf("%s\nlisten %q {}\nrun_dir = %q\n", app, addr, filepath.Join(p.dir, "run")))
	server = launch(t, filepath.Base(p.dir), []string{"GOFLAGS=-mod=mod"}, binary(t, "appd"), "dev", "-c", filepath.Join(p.dir, "appd.hcl"))
	server.awaitListen(t, addr)
	return addr, server
}

// answers waits until a GET of / has this in its body.
func answers(t *testing.T, addr, want string) {
	t.Helper()
	eventually(t, "an answer with "+want, func() bool {
		a, err := request(addr, "GET", "/", nil)
		return err == nil && a.status == 200 && strings.Contains(string(a.body), want)
	})
}

// TestDevelopSaveWhileBuilding: of several saves during one build the last one counts,
// and what was served before is never interrupted.
func TestDevelopSaveWhileBuilding(t *testing.T) {
	p := newProject(t)
	p.page("start")
	addr, server := p.develop(`app { go = "." }`)
	answers(t, addr, "start")
	for i := range 4 {
		p.page(fmt.Sprint("save ", i))
		time.Sleep(250 * time.Millisecond) // longer than a burst, shorter than a build
		if a, err := request(addr, "GET", "/", nil); err != nil || a.status != 200 {
			t.Errorf("while building: %+v, %v", a, err)
		}
	}
	answers(t, addr, "save 3")
	if lines := server.linesWith("failed"); lines != "" {
		t.Errorf("a superseded build was reported as failed:\n%s", lines)
	}
}

// TestDevelopHalfSaved: a build that meets a file half written fails, of course, but
// nobody is told: the rest of the file comes a moment later, and with it the reload
// that counts. Here the command before the build fails as soon as the file is whole.
func TestDevelopHalfSaved(t *testing.T) {
	p := newProject(t)
	p.write("page.txt", "one")
	p.write("read.sh", `#!/bin/sh
test -s page.txt && exit
touch met
until test -s page.txt; do sleep 0.01; done
echo the file was empty
exit 1
`)
	p.must(os.Chmod(filepath.Join(p.dir, "read.sh"), 0o755))
	addr, server := p.develop(fmt.Sprintf(`app {
  command = [%q]
  before  = ["./read.sh"]
  env     = { E2E_DIR = %q }
}
reload_extra_files = ["page.txt"]`, binary(t, "app"), p.dir))
	awaitGeneration(t, addr, 1)
	p.write("page.txt", "")
	eventually(t, "the command meets the empty file", func() bool { return exists(filepath.Join(p.dir, "met")) })
	p.write("page.txt", "two")
	server.awaitLog(t, "page.txt changed -> ready")
	if lines := server.linesWith("failed"); lines != "" {
		t.Errorf("a half-written file was reported as a failure:\n%s", lines)
	}
}

// TestDevelopBefore: the command that runs before each generation, for a program
// that is not built, and its failure.
func TestDevelopBefore(t *testing.T) {
	p := newProject(t)
	p.write("version.txt.in", "one")
	p.write("generate.sh", "#!/bin/sh\nset -e\ntest ! -e broken\ncp version.txt.in version.txt\n")
	p.must(os.Chmod(filepath.Join(p.dir, "generate.sh"), 0o755))
	addr, server := p.develop(fmt.Sprintf(`app {
  command = [%q]
  before  = ["./generate.sh"]
  env     = { E2E_DIR = %q, E2E_FILE = "version.txt" }
}
reload_extra_files = ["*.in", "broken"]`, binary(t, "app"), p.dir))
	file := func(want string) {
		t.Helper()
		eventually(t, "the generated file "+want, func() bool {
			a, err := request(addr, "GET", "/whoami", nil)
			text, _ := os.ReadFile(filepath.Join(p.dir, "version.txt"))
			return err == nil && a.status == 200 && string(text) == want
		})
	}
	file("one")
	p.write("version.txt.in", "two")
	file("two")
	server.awaitLog(t, "version.txt.in changed -> ready")
	p.write("broken", "yes")
	server.awaitLog(t, "generate.sh failed", "the last good version goes on serving")
	file("two")
	p.must(os.Remove(filepath.Join(p.dir, "broken")))
	server.awaitLog(t, "broken changed", "generation")
}

func (p *project) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestDevelopLeavesNothing changes a file many times and looks for what is left:
// processes, watches, descriptors.
func TestDevelopLeavesNothing(t *testing.T) {
	changes := 25
	if os.Getenv("APPD_SOAK") != "" {
		changes = 200
	}
	p := newProject(t)
	p.write("change.txt", "0")
	addr, server := p.develop(fmt.Sprintf(`app {
  command = [%q]
  env     = { E2E_DIR = %q }
}
reload_extra_files = ["change.txt"]`, binary(t, "app"), p.dir))
	awaitGeneration(t, addr, 1)
	var before, after leftovers
	defer func() { t.Logf("before: %+v, after: %+v", before, after) }()
	for i := 1; i <= changes; i++ {
		p.write("change.txt", fmt.Sprint(i))
		awaitGeneration(t, addr, i+1)
		if i == 5 {
			eventually(t, "one worker is left", func() bool {
				before = look(t, server.cmd.Process.Pid)
				return before.children == 1
			})
		}
	}
	eventually(t, "one worker is left, and no more than there was", func() bool {
		after = look(t, server.cmd.Process.Pid)
		return after.children == 1 && after.descriptors <= before.descriptors && after.watches <= before.watches
	})
}

// awaitGeneration waits until generation n or a later one answers at addr.
func awaitGeneration(t *testing.T, addr string, n int) {
	t.Helper()
	eventually(t, fmt.Sprint("generation ", n), func() bool {
		for w := range askTogether(addr, 1) {
			return w.Generation >= n
		}
		return false
	})
}

// leftovers is what a supervisor holds.
type leftovers struct{ children, descriptors, watches int }

func look(t *testing.T, pid int) (l leftovers) {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		l.children += len(strings.Fields(string(text)))
	}
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil || len(infos) == 0 {
		t.Fatal("no descriptors in /proc: ", err)
	}
	l.descriptors = len(infos)
	for _, info := range infos {
		text, _ := os.ReadFile(info)
		l.watches += strings.Count(string(text), "inotify wd:")
	}
	return l
}

// TestDevelopStandInMounted: the page that stands in looks for its script where the
// application is mounted.
func TestDevelopStandInMounted(t *testing.T) {
	p := newProject(t)
	p.write("main.go", "package main\n\nfunc main() { broken\n")
	addr, _ := p.develop("app {\n  go = \".\"\n  mount = \"/shop\"\n}")
	eventually(t, "the stand-in", func() bool {
		a, err := request(addr, "GET", "/shop/", nil, header("Accept", "text/html"))
		return err == nil && a.status == 500 && strings.Contains(string(a.body), `<head><script src="/shop/__appd/reload.js"`)
	})
}
