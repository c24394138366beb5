// Development of Python applications, as a person at a browser sees it.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDevelopPython: the same for a Python application, whose import takes the place
// of the build. At last with more tabs than a browser opens connections to one host,
// and with a page that allows no workers.
func TestDevelopPython(t *testing.T) {
	needPython(t)
	p := &project{t: t, dir: folder(t, t.Name()+"-project")}
	page := func(title string) {
		p.write("views.py", fmt.Sprintf("TITLE = %q\n", title))
	}
	p.write("shop.py", `from views import TITLE

def app(environ, start_response):
    policy = environ["PATH_INFO"] == "/noworker" and "<meta http-equiv=Content-Security-Policy content=\"worker-src 'none'\">" or ""
    body = ("<!doctype html><html><head>%s<title>%s</title></head><body>page</body></html>" % (policy, TITLE)).encode()
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    return [body]
`)
	p.write("views.py", "TITLE = (\n")
	addr, server := p.develop(`app {
  wsgi   = "shop:app"
  python = "/usr/bin/python3"
}`)
	server.awaitLog(t, "SyntaxError")
	b := startChromium(t)
	first := b.open(t, "python", "http://"+addr+"/")
	first.await("the stand-in's page", `document.body.innerText.includes("SyntaxError")`, "true")
	page("one")
	first.await("the first start that succeeds", "document.title", "one")
	page("two")
	first.await("a reload", "document.title", "two")
	p.write("views.py", "TITLE = undefined_name\n")
	first.await("the overlay", `document.getElementById("appd-overlay")?.shadowRoot.textContent.includes("undefined_name")`, "true")
	first.await("the page under it", "document.title", "two")
	page("three")
	first.await("a mended error", "document.title", "three")
	first.await("no overlay", `document.getElementById("appd-overlay")`, "null")

	tabs := []*tab{first, b.open(t, "no worker", "http://"+addr+"/noworker")}
	for i := range 7 {
		tabs = append(tabs, b.open(t, fmt.Sprint("one more ", i), "http://"+addr+"/"))
	}
	for _, tab := range tabs {
		tab.await("the page in its tab", "document.title", "three")
	}
	page("four")
	for _, tab := range tabs {
		tab.await("a reload of every tab", "document.title", "four")
	}
	if lines := server.linesWith("cut off"); lines != "" {
		t.Errorf("event streams and scripts of the old code were still in flight:\n%s", lines)
	}
}

// TestDevelopStaleBytecode: Python takes its bytecode for good if the source has the
// same size and the same second. Several saves in one second are several all the same.
func TestDevelopStaleBytecode(t *testing.T) {
	needPython(t)
	t.Setenv("PYTHONDONTWRITEBYTECODE", "")
	p := &project{t: t, dir: folder(t, t.Name()+"-project")}
	p.write("shop.py", `from views import TITLE

def app(environ, start_response):
    start_response("200 OK", [])
    return [TITLE.encode()]
`)
	second := time.Now().Truncate(time.Second)
	save := func(title string) {
		file := filepath.Join(p.dir, "new.py")
		write(t, file, fmt.Sprintf("TITLE = %q\n", title))
		p.must(os.Chtimes(file, second, second))
		p.must(os.Rename(file, filepath.Join(p.dir, "views.py")))
	}
	save("one")
	addr, _ := p.develop("app {\n  wsgi   = \"shop:app\"\n  python = \"/usr/bin/python3\"\n}")
	for _, title := range []string{"one", "two", "six"} {
		save(title)
		answers(t, addr, title)
	}
}
