// A Python application behind every front.

package e2e

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

const pythonApp = `
import hashlib, os, time
from wsgiref.validate import validator

def wait_for(path):
    for _ in range(1200):
        if os.path.exists(path):
            return
        time.sleep(0.05)
    raise TimeoutError(path)

def pieces(folder):
    for i in range(3):
        if i:
            wait_for("%s/%d" % (folder, i))
        yield b"data: piece %d\n\n" % i

def application(environ, start_response):
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/event-stream"), ("X-Accel-Buffering", "no")])
        return pieces(environ["QUERY_STRING"])
    digest, size = hashlib.sha256(), 0
    while data := environ["wsgi.input"].read(1 << 16):
        digest.update(data)
        size += len(data)
    body = "%s %s %s %d %s" % (environ["REQUEST_METHOD"], ascii(path), environ["QUERY_STRING"], size, digest.hexdigest())
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("X-Protocol", environ["appd.protocol"])])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body.encode()]

application = validator(application)
`

// TestPython: a page, an upload, a path outside ASCII and a stream, of an application
// that the validator of WSGI watches.
func TestPython(t *testing.T) {
	needPython(t)
	a := stoppedAppd(t, t.Name())
	write(t, filepath.Join(a.dir, "app.py"), pythonApp)
	a.begin(t, "app {\n  wsgi   = \"app\"\n  python = \"/usr/bin/python3\"\n}\nworkers = 2\n"+a.listeners())
	for _, p := range programs {
		if p.name == routers {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			need(t, p.name)
			for _, f := range p.start(t, a) {
				t.Run(f.code, func(t *testing.T) { askPython(t, f) })
			}
		})
	}
}

// askPython asks for everything behind one front.
func askPython(t *testing.T, f *front) {
	none := fmt.Sprintf("%x", sha256.Sum256(nil))
	for range 2 { // again on connections that are kept
		got := ok(t, f.addr, "GET", "/a%20b?x=1&y", nil)
		if want := "GET '/a b' x=1&y 0 " + none; string(got.body) != want || got.header.Get("X-Protocol") != f.protocol {
			t.Errorf("%q over %s, want %q", got.body, got.header.Get("X-Protocol"), want)
		}
		if got := ok(t, f.addr, "HEAD", "/", nil); len(got.body) > 0 {
			t.Errorf("HEAD: %q", got.body)
		}
	}
	// As PEP 3333 has it: the path's bytes, each as one character.
	if got := ok(t, f.addr, "GET", "/caf%C3%A9", nil); string(got.body) != `GET '/caf\xc3\xa9'  0 `+none {
		t.Errorf("%q", got.body)
	}
	const size = 3 << 20
	sum := sha256.New()
	io.Copy(sum, bulk(size))
	if got := ok(t, f.addr, "POST", "/", bulk(size), sized(size)); string(got.body) != fmt.Sprintf("POST '/'  %d %x", size, sum.Sum(nil)) {
		t.Errorf("%q", got.body)
	}
	switch f.code {
	case "LF", "LU", "LH", "NFD", "NUD", "AU": // keep an answer until it is complete
		return
	}
	streamPython(t, f)
}

// streamPython takes the pieces of a stream, each of which is made when the one before
// has arrived.
func streamPython(t *testing.T, f *front) {
	dir := t.TempDir()
	_, r := raw(t, f.addr, "GET /stream?"+dir+" HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n")
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(answer.Body)
	for i := range 3 {
		if i > 0 {
			write(t, fmt.Sprint(dir, "/", i), "")
		}
		want := fmt.Sprintf("data: piece %d\n\n", i)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
			t.Fatalf("piece %d: %q, %v", i, got, err)
		}
	}
	if rest, err := io.ReadAll(body); err != nil || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("after the last piece: %q, %v", rest, err)
	}
}
