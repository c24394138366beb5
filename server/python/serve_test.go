// Requests through a real interpreter: PEP 3333 over the wire.

package python_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/uwsgi"
)

// suite starts a worker with the application in testdata/suite.py.
func suite(t *testing.T, o options) *worker {
	t.Helper()
	text, err := os.ReadFile("testdata/suite.py")
	if err != nil {
		t.Fatal(err)
	}
	o.files = map[string]string{"suite.py": string(text)}
	o.app = "suite:application"
	return start(t, o)
}

func TestAnswers(t *testing.T) {
	w := suite(t, options{})
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/generator", 200, "item 0\nitem 1\nitem 2\n"},
		{"/unchecked_generator", 200, "item 0\nitem 1\nitem 2\n"},
		{"/many", 201, "one two three"},
		{"/write", 200, "written returned"},
		{"/close", 200, "ab"},
		{"/close_count", 200, "1"},
		{"/close_raise", 200, "begun "},
		{"/close_count", 200, "2"},
		{"/raising", 500, "500 Internal Server Error\n"},
		{"/exiting", 500, "500 Internal Server Error\n"},
		{"/error_page", 500, "replaced"},
		{"/replaced_late", 500, "replaced"},
		{"/late_error", 200, "sent"},
		{"/late_nothing", 200, "sent, refused, refused, refused, refused, raised"},
		{"/twice", 500, "500 Internal Server Error\n"},
		{"/nothing", 500, "500 Internal Server Error\n"},
		{"/headers", 200, "26 refused []"},
		{"/longer", 200, "1234"},
		{"/shorter", 200, "12345"},
		{"/none_of_it", 500, "500 Internal Server Error\n"},
		{"/text", 500, "500 Internal Server Error\n"},
		{"/no_content", 204, ""},
		{"/not_modified", 304, ""},
		{"/memory_file", 200, "from memory"},
	} {
		t.Run(strings.TrimPrefix(c.path, "/"), func(t *testing.T) {
			if status, body := w.get(c.path); status != c.status || body != c.body {
				t.Errorf("got %d %q, want %d %q", status, body, c.status, c.body)
			}
		})
	}
	w.logged("raised on purpose")
	w.logged("more bytes than its Content-Length")
	w.logged("fewer bytes than its Content-Length")
}

// close() is called once, however an answer ends.
func TestCloseIsCalledOnce(t *testing.T) {
	w := suite(t, options{})
	for _, method := range []string{"GET", "HEAD"} {
		for _, kind := range []string{"whole", "nothing", "no_body", "longer", "shorter", "raises", "raises_at_once", "no_bytes", "no_start", "written", "file", "client_leaves"} {
			c := dial(t, w)
			fmt.Fprintf(c, "%s /counted?%s HTTP/1.0\r\n\r\n", method, kind)
			if kind == "client_leaves" {
				io.ReadFull(c, make([]byte, 1000))
			} else {
				io.Copy(io.Discard, c)
			}
			c.Close()
			w.logged(method + " " + kind + " was closed;")
		}
	}
	w.get("/generator")
	if n := strings.Count(w.output.String(), " was closed;"); n != 24 {
		t.Errorf("24 answers, %d closed:\n%s", n, w.output.String())
	}
}

func TestHeadersOfAnswers(t *testing.T) {
	w := suite(t, options{})
	r, err := w.client().Get("http://test.example/many")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if _, err := http.ParseTime(r.Header.Get("Date")); err != nil {
		t.Errorf("Date: %v", err)
	}
	if r.Status != "201 Made" || r.ContentLength != 13 || len(r.Header["Set-Cookie"]) != 2 || r.Header.Get("X-Odd") != "\xe9" {
		t.Errorf("%s, %d bytes, %q", r.Status, r.ContentLength, r.Header)
	}
	r, err = w.client().Head("http://test.example/many")
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != 201 || r.ContentLength != 13 {
		t.Errorf("HEAD: %s, length %d", r.Status, r.ContentLength)
	}
}

func TestEnviron(t *testing.T) {
	w := suite(t, options{settings: map[string]any{"mount": "/shop"}})
	names := []string{"REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "SERVER_PROTOCOL", "HTTP_X_TWO", "HTTP_PROXY", "appd.worker_id",
		"appd.generation", "appd.protocol", "RAW_URI", "wsgi.url_scheme", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"}
	q, _ := http.NewRequest("GET", "http://test.example/shop/environ/caf%C3%A9?"+strings.Join(names, ","), nil)
	q.Header = http.Header{"X-Two": {"1", "2"}, "Proxy": {"evil"}}
	r, err := w.client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	want := "REQUEST_METHOD=GET\nSCRIPT_NAME=/shop\nPATH_INFO=/environ/caf\xc3\xa9\nSERVER_PROTOCOL=HTTP/1.1\nHTTP_X_TWO=1, 2\nHTTP_PROXY=<none>\n" +
		"appd.worker_id=1\nappd.generation=2\nappd.protocol=http\nRAW_URI=/shop/environ/caf%C3%A9?" + strings.Join(names, ",") + "\nwsgi.url_scheme=http\nwsgi.multithread=False\nwsgi.multiprocess=True\nwsgi.run_once=False"
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

// The same names in another order, more of them, and fewer: every environ is its
// request's own, whatever the one before was.
func TestEnvironsDoNotMix(t *testing.T) {
	w := suite(t, options{})
	for i := range 40 {
		fields := fmt.Sprintf("X-A: %d\r\n", i)
		if i%3 == 0 {
			fields += fmt.Sprintf("X-B: b%d\r\n", i)
		}
		if i%5 == 0 {
			fields = "X-C: c\r\n" + fields
		}
		target := fmt.Sprintf("/environ?%d,HTTP_X_A,HTTP_X_B,HTTP_X_C,RAW_URI", i/4)
		answer := w.raw("GET " + target + " HTTP/1.0\r\n" + fields + "\r\n")
		want := fmt.Sprintf("HTTP_X_A=%d\nHTTP_X_B=<none>\nHTTP_X_C=<none>\nRAW_URI=%s", i, target)
		if i%3 == 0 {
			want = strings.Replace(want, "B=<none>", fmt.Sprintf("B=b%d", i), 1)
		}
		if i%5 == 0 {
			want = strings.Replace(want, "C=<none>", "C=c", 1)
		}
		if !strings.HasSuffix(answer, want) {
			t.Fatalf("request %d: %q", i, answer)
		}
	}
}

func post(w *worker, path string, body io.Reader, length int64) (int, string, error) {
	q, _ := http.NewRequest("POST", "http://test.example"+path, body)
	q.ContentLength = length
	r, err := w.client().Do(q)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

func TestBodies(t *testing.T) {
	for _, spool := range []bool{true, false} {
		t.Run(fmt.Sprintf("spool=%v", spool), func(t *testing.T) {
			w := suite(t, options{settings: map[string]any{"body_spool": spool, "worker_tmp_dir": t.TempDir()}})
			for _, size := range []int{0, 1, 70000, 1 << 20, 9 << 20} {
				data := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
				want := fmt.Sprintf("%d %x", size, sha256.Sum256(data))
				if status, body, err := post(w, "/read", bytes.NewReader(data), int64(size)); status != 200 || !strings.HasPrefix(body, want) {
					t.Errorf("%d bytes: %d %q %v", size, status, body, err)
				}
				if size == 0 {
					continue
				}
				status, body, err := post(w, "/read", io.MultiReader(bytes.NewReader(data)), -1)
				if status != 200 || !strings.HasPrefix(body, want) {
					t.Errorf("chunked, %d bytes: %d %q %v", size, status, body, err)
				}
				if length := fmt.Sprint(size); spool && !strings.HasSuffix(body, " "+length) {
					t.Errorf("chunked: CONTENT_LENGTH does not say %s: %q", length, body)
				}
			}
			text := "first\nsecond\nthird\nfourth\nfifth"
			if _, body, err := post(w, "/lines", strings.NewReader(text), int64(len(text))); body != "first\nsecond\n|third\n|fourth\nfifth|" {
				t.Errorf("lines: %q %v", body, err)
			}
		})
	}
}

// cutShort are the first bytes of uploads of 100 bytes that end after nine, over each
// protocol.
func cutShort(t *testing.T) map[string][]byte {
	vars := []cgi.Var{
		{Name: "REQUEST_METHOD", Value: "POST"}, {Name: "PATH_INFO", Value: "/read"}, {Name: "REQUEST_URI", Value: "/read"},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"}, {Name: "CONTENT_LENGTH", Value: "100"},
	}
	packet, err := uwsgi.AppendRequest(nil, 0, vars, []byte("only this"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"http":    []byte("POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nonly this"),
		"uwsgi":   packet,
		"fastcgi": fastcgi.AppendRequest(nil, 1, false, vars, []byte("only this")),
	}
}

// A body that is cut short never looks complete.
func TestTruncatedBody(t *testing.T) {
	for protocol, request := range cutShort(t) {
		for _, spool := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, body_spool %v", protocol, spool), func(t *testing.T) {
				w := suite(t, options{settings: map[string]any{"body_spool": spool}})
				c, err := net.Dial("unix", w.socket)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.Write(request)
				c.(*net.UnixConn).CloseWrite()
				c.SetDeadline(time.Now().Add(60 * time.Second))
				if b, _ := io.ReadAll(c); strings.Contains(string(b), "200 OK") {
					t.Errorf("answer = %q", b)
				}
				if !spool {
					w.logged("cut short")
				}
			})
		}
	}
}

// Every item of a generator leaves at once: the next is given only when this one has
// arrived.
func TestStreaming(t *testing.T) {
	w := suite(t, options{})
	dir := t.TempDir()
	r, err := w.client().Get("http://test.example/lockstep?" + dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		if err != nil || line != fmt.Sprintf("item %d\n", i) {
			t.Fatalf("item %d: %q, %v", i, line, err)
		}
		touch(t, fmt.Sprintf("%s/%d", dir, i))
	}
}

// A client that goes away ends the iteration, with close().
func TestClientGoesAway(t *testing.T) {
	w := suite(t, options{})
	r, err := w.client().Get("http://test.example/endless")
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(r.Body, make([]byte, 3<<20))
	r.Body.Close()
	w.logged("endless was closed")
	if status, _ := w.get("/generator"); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

// A client that takes nothing holds a bounded amount of memory.
func TestSlowClientIsWaitedFor(t *testing.T) {
	w := suite(t, options{settings: map[string]any{"threads": 2}})
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /unchecked_endless HTTP/1.1\r\nHost: h\r\n\r\n")
	io.ReadFull(c, make([]byte, 1000))
	before := rss(t, w.cmd.Process.Pid)
	for range 20 {
		if status, _ := w.get("/generator"); status != 200 {
			t.Fatal(status)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if grown := rss(t, w.cmd.Process.Pid) - before; grown > 16<<10 {
		t.Errorf("the worker grew by %d KiB", grown)
	}
}

func rss(t *testing.T, pid int) (kib int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "VmRSS: %d", &kib)
	}
	return kib
}

func TestBigAnswer(t *testing.T) {
	w := suite(t, options{})
	const size = 50 << 20
	r, err := w.client().Get(fmt.Sprintf("http://test.example/big?%d", size))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if kib := rss(t, w.cmd.Process.Pid); kib > 100<<10 {
		t.Errorf("the worker holds %d KiB", kib)
	}
}

// A front over FastCGI is told of an exception, where the listener says so.
func TestExceptionInTheLogOfTheFront(t *testing.T) {
	for _, on := range []bool{false, true} {
		w := suite(t, options{change: func(h *handoff.Handoff) { h.Listeners[0].Stderr = on }})
		c, err := net.Dial("unix", w.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		a, err := fastcgi.Do(c, []cgi.Var{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "SCRIPT_NAME", Value: "/raising"}, {Name: "REQUEST_URI", Value: "/raising?secret"}, {Name: "HTTP_X_REQUEST_ID", Value: "abc"}}, nil)
		if err != nil || a.Head.Status != 500 {
			t.Fatalf("%+v, %v", a, err)
		}
		want := ""
		if on {
			want = `exception serving GET "/raising" (request abc)`
		}
		if got := string(a.Stderr); got != want {
			t.Errorf("told %v: %q, want %q", on, got, want)
		}
	}
}

// A HEAD gets no body either where the request is refused.
func TestRefusedHead(t *testing.T) {
	w := suite(t, options{})
	for _, method := range []string{"HEAD", "GET"} {
		a, err := fastcgi.Do(dial(t, w), []cgi.Var{{Name: "REQUEST_METHOD", Value: method}, {Name: "PATH_INFO", Value: "/"}, {Name: "HTTP_HOST", Value: "a b"}}, nil)
		if err != nil || a.Head.Status != 400 || (len(a.Body) == 0) != (method == "HEAD") {
			t.Errorf("%s: %+v, %v", method, a, err)
		}
	}
}
