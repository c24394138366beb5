// What development does to the answers of an application, as they come out of the
// socket and of nginx.

package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/appd-server/appd/nginx"
)

// pagesProgram answers with every kind of page that the script has to treat with care.
const pagesProgram = `package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/appd-server/appd/server"
)

const text = "<!doctype html><html><head><title>x</title></head><body>page</body></html>"

var release = make(chan bool)

func main() {
	page := func(path string, fields ...string) {
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			for i := 0; i < len(fields); i += 2 {
				w.Header().Set(fields[i], fields[i+1])
			}
			io.WriteString(w, text)
		})
	}
	page("/page")
	page("/json", "Content-Type", "application/json")
	page("/policy", "Content-Security-Policy", "default-src 'none'")
	page("/nonce", "Content-Security-Policy", "script-src 'nonce-abc'; connect-src 'self'")
	page("/download", "Content-Disposition", "attachment")
	http.HandleFunc("/error", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(500)
		io.WriteString(w, text)
	})
	http.HandleFunc("/nobody", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<p>no head, no body")
	})
	http.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		z.Close()
	})
	http.HandleFunc("/asked", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header.Get("Accept-Encoding"))
	})
	http.HandleFunc("/streamed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("X-Accel-Buffering", "no")
		io.WriteString(w, "<!doctype html><html><head><body>begun")
		http.NewResponseController(w).Flush()
		<-release
		io.WriteString(w, " ended")
	})
	http.HandleFunc("/release", func(w http.ResponseWriter, r *http.Request) { release <- true })
	if err := server.Run(nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

// developPages are requests and what the page carries: the tag behind this text, or
// "" for none.
var developPages = []struct {
	name, method, path string
	header             []option
	behind             string
}{
	{"page", "GET", "/page", nil, "<head>"},
	{"no head and no body", "GET", "/nobody", nil, ""},
	{"HEAD", "HEAD", "/page", nil, "none"},
	{"json", "GET", "/json", nil, "none"},
	{"error", "GET", "/error", nil, "none"},
	{"not found", "GET", "/missing", nil, "none"},
	{"compressed", "GET", "/gzip", nil, "none"},
	{"a policy that forbids scripts", "GET", "/policy", nil, "none"},
	{"a policy with a nonce", "GET", "/nonce", nil, "<head>"},
	{"download", "GET", "/download", nil, "none"},
	{"fetched by a script", "GET", "/page", []option{header("Sec-Fetch-Dest", "empty")}, "none"},
	{"htmx", "GET", "/page", []option{header("HX-Request", "true")}, "none"},
	{"Turbo frame", "GET", "/page", []option{header("Turbo-Frame", "cart")}, "none"},
}

// TestDevelopPages asks for them directly, and behind nginx over FastCGI and uwsgi.
func TestDevelopPages(t *testing.T) {
	p := newProject(t)
	p.write("main.go", pagesProgram)
	socket := filepath.Join(p.dir, "dev.sock")
	addr, _ := p.develop(fmt.Sprintf("app { go = \".\" }\nlisten \"unix:%s\" { mode = \"0666\" }", socket))
	pages := map[string]string{"http": addr, "fastcgi": freeAddr(t), "uwsgi": freeAddr(t)}
	var sites []nginx.Site
	for _, protocol := range []string{"fastcgi", "uwsgi"} {
		sites = append(sites, nginx.Site{Name: protocol, Listen: []string{pages[protocol]}, Protocol: protocol, Upstream: "unix:" + socket, Timeout: limit})
	}
	runNginx(t, "develop-pages-nginx", sites, "")
	eventually(t, "the first build", func() bool {
		a, err := request(addr, "GET", "/page", nil)
		return err == nil && a.status == 200
	})
	for protocol, at := range pages {
		for _, tt := range developPages {
			t.Run(protocol+"/"+tt.name, func(t *testing.T) {
				a, err := request(at, tt.method, tt.path, nil, tt.header...)
				if err != nil || a.cut != nil {
					t.Fatal(err, a)
				}
				checkPage(t, a, tt.method, tt.behind)
			})
		}
		t.Run(protocol+"/streamed", func(t *testing.T) { checkStreamed(t, at) })
		t.Run(protocol+"/Accept-Encoding", func(t *testing.T) {
			if a, err := request(at, "GET", "/asked", nil, header("Accept-Encoding", "gzip")); err != nil || string(a.body) != `""` {
				t.Errorf("the application was offered %s, %v", a.body, err)
			}
		})
		t.Run(protocol+"/script", func(t *testing.T) {
			if a, err := request(at, "GET", "/__appd/reload.js", nil); err != nil || a.status != 200 || !strings.Contains(string(a.body), "EventSource") {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// checkPage looks for the script and for a length that is true.
func checkPage(t *testing.T, a *answer, method, behind string) {
	t.Helper()
	text := string(a.body)
	if behind == "none" {
		if strings.Contains(text, "__appd") {
			t.Errorf("the script is in it: %s", text)
		}
	} else {
		const tag = `<script src="/__appd/reload.js" data-version="`
		if strings.Count(text, "__appd") != 1 || !strings.Contains(text, behind+tag) || !strings.Contains(text, "</script><") {
			t.Errorf("no script behind %q: %s", behind, text)
		}
		if nonce := a.header.Get("Content-Security-Policy") != ""; strings.Contains(text, `nonce="abc"`) != nonce {
			t.Errorf("policy %v, but %s", nonce, text)
		}
	}
	if n := a.header.Get("Content-Length"); n != "" && method != "HEAD" && n != strconv.Itoa(len(text)) {
		t.Errorf("Content-Length %s, body of %d bytes", n, len(text))
	}
}

// checkStreamed reads the beginning of a page, with the script, before its end was
// written.
func checkStreamed(t *testing.T, at string) {
	t.Helper()
	resp, err := http.Get("http://" + at + "/streamed")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	var got strings.Builder
	for !strings.Contains(got.String(), "begun") {
		b, err := body.ReadByte()
		if err != nil {
			t.Fatalf("%v after %s", err, got.String())
		}
		got.WriteByte(b)
	}
	if !strings.Contains(got.String(), `<head><script src="/__appd/`) {
		t.Errorf("no script in the first piece: %s", got.String())
	}
	if a, err := request(at, "GET", "/release", nil); err != nil || a.status != 200 {
		t.Fatal(a, err)
	}
	if _, err := body.WriteTo(&got); err != nil || !strings.HasSuffix(got.String(), "begun ended") {
		t.Errorf("%v, page: %s", err, got.String())
	}
}
