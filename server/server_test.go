//go:build linux

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/appd-server/appd/protocols"
	"github.com/appd-server/appd/protocols/cgi"
)

// patience is how long a test waits for what must come: long enough for a machine
// that is slow and busy.
const patience = time.Minute

func TestMain(m *testing.M) {
	lastWords = patience
	goleak.VerifyTestMain(m)
}

// serve serves h on a Unix socket until the test ends, and sees that no
// descriptor is left then.
func serve(t testing.TB, s *Server, h http.HandlerFunc) *site {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, s, h, l)
}

func serveOn(t testing.TB, s *Server, h http.HandlerFunc, l net.Listener) *site {
	t.Helper()
	before := descriptors(t)
	st := &site{Server: s, network: l.Addr().Network(), address: l.Addr().String(), errors: &lines{c: make(chan string, 100)}}
	s.Handler = h
	s.ErrorLog = log.New(st.errors, "", 0)
	s.TmpDir = t.TempDir()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	for serving := false; !serving; runtime.Gosched() { // all its descriptors are open then
		s.mu.Lock()
		serving = len(s.active) > 0
		s.mu.Unlock()
	}
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve() = %v", err)
		}
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if descriptors(t) <= before { // the runtime closes pidfds and the like in its own time
				return
			}
		}
		t.Errorf("%d descriptors open, %d before", descriptors(t), before)
	})
	return st
}

func descriptors(t testing.TB) int {
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

// eachProtocol runs f for all three on one listener with detection.
func eachProtocol(t *testing.T, s func() *Server, h http.HandlerFunc, f func(t *testing.T, st *site, p string)) {
	for _, p := range protocolsToTest {
		t.Run(p, func(t *testing.T) { f(t, serve(t, s(), h), p) })
	}
}

func plainServer() *Server { return &Server{} }

func (s *site) wantLog(t *testing.T, part string) {
	t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case line := <-s.errors.c:
			if strings.Contains(line, part) {
				return
			}
		case <-timeout:
			t.Fatalf("no line of the log has %q", part)
		}
	}
}

func TestARequestLooksTheSame(t *testing.T) {
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q %s %s %d %q %v %s", r.Method, r.URL.Path, r.URL.RawQuery, r.RequestURI, r.Host, r.Proto, r.ContentLength, body, err, r.Header.Get("X-Thing"))
		if len(protocols.Params(r)) < 5 {
			t.Errorf("params %v", protocols.Params(r))
		}
		if r.Header.Get("X-Request-Id") == "" {
			t.Error("no request id")
		}
		if a, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr); a == nil || a.Network() != "unix" {
			t.Errorf("local address %v", a)
		}
	}, func(t *testing.T, st *site, p string) {
		got := st.do(t, p, ask{method: "POST", path: "/a/b?c=d", header: map[string]string{"X-Thing": "7"}, body: "hello"})
		want := `POST /a/b c=d "/a/b?c=d" shop.example HTTP/1.1 5 "hello" <nil> 7`
		if got.status != 200 || got.body != want || !got.complete {
			t.Errorf("got %+v\nwant %s", got, want)
		}
		if got.header.Get("Content-Type") != "text/plain; charset=utf-8" || got.header.Get("Content-Length") != fmt.Sprint(len(want)) {
			t.Errorf("header %v", got.header)
		}
		if p != "fastcgi" && got.header.Get("Date") == "" {
			t.Error("no Date")
		}
	})
}

func TestAnswersKeepToTheRules(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("Write after 204: %v", err)
			}
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
			w.Write([]byte("x"))
		case "/long":
			w.Header().Set("Content-Length", "3")
			if n, err := io.WriteString(w, "abcdef"); n != 3 || !errors.Is(err, http.ErrContentLength) {
				t.Errorf("Write = %d, %v", n, err)
			}
		case "/short":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "abc")
		case "/103":
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.WriteHeader(201)
		case "/cookies":
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		case "/html":
			io.WriteString(w, "<!DOCTYPE html><p>")
		case "/big":
			for range 100 {
				io.WriteString(w, strings.Repeat("0123456789", 1000))
			}
		default:
			io.WriteString(w, "0123456789")
		}
	}
	eachProtocol(t, plainServer, h, func(t *testing.T, st *site, p string) {
		check := func(a ask, status int, body string, complete bool) answer {
			t.Helper()
			got := st.do(t, p, a)
			if got.status != status || got.body != body || got.complete != complete {
				t.Errorf("%s %s: %d %.40q (%d) complete %v, want %d %.40q %v", a.method, a.path, got.status, got.body, len(got.body), got.complete, status, body, complete)
			}
			return got
		}
		get := func(path string, status int, body string, complete bool) answer {
			t.Helper()
			return check(ask{method: "GET", path: path}, status, body, complete)
		}
		if a := check(ask{method: "HEAD", path: "/"}, 200, "", true); a.header.Get("Content-Length") != "10" {
			t.Errorf("HEAD: %v", a.header)
		}
		get("/204", 204, "", true)
		get("/304", 304, "", true)
		get("/long", 200, "abc", true)
		get("/short", 200, "abc", false)
		get("/103", 201, "", true)
		if a := get("/cookies", 200, "", true); len(a.header["Set-Cookie"]) != 2 {
			t.Errorf("cookies %v", a.header)
		}
		if a := get("/html", 200, "<!DOCTYPE html><p>", true); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("type %v", a.header)
		}
		get("/big", 200, strings.Repeat("0123456789", 100_000), true)
	})
}

func TestPanics(t *testing.T) {
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/before":
			io.WriteString(w, "lost")
			panic("early boo")
		case "/after":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			panic("late boo")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
	}, func(t *testing.T, st *site, p string) {
		if a := st.do(t, p, ask{method: "GET", path: "/before"}); a.status != 500 || strings.Contains(a.body, "lost") {
			t.Errorf("before: %+v", a)
		}
		st.wantLog(t, "early boo")
		if a := st.do(t, p, ask{method: "GET", path: "/after"}); a.status != 200 || a.body != "abc" || a.complete {
			t.Errorf("after: %+v", a)
		}
		st.wantLog(t, "late boo")
		c := st.dial(t)
		a := ask{method: "GET", path: "/abort"}
		c.Write(a.wire(p))
		if got, err := receiveAnswer(p, bufio.NewReader(c), &a); err == nil {
			t.Errorf("abort: %+v", got)
		}
		if a := st.do(t, p, ask{method: "GET", path: "/"}); a.status != 200 {
			t.Errorf("then: %+v", a)
		}
		select {
		case line := <-st.errors.c:
			t.Errorf("ErrAbortHandler was logged: %s", line)
		default:
		}
	})
}

func TestTruncatedUpload(t *testing.T) {
	result, began := make(chan error, 1), make(chan bool, 1)
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		began <- true
		_, err := io.ReadAll(r.Body)
		result <- err
	}, func(t *testing.T, st *site, p string) {
		for _, how := range []string{"closes", "half-closes"} {
			c := st.dial(t).(*net.UnixConn)
			a := ask{method: "POST", path: "/", body: "half", length: 8}
			c.Write(append(a.head(p), a.piece(p, []byte(a.body))...))
			<-began
			if how == "closes" {
				c.Close()
			} else {
				c.CloseWrite()
			}
			if err := <-result; !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %v", how, err)
			}
		}
	})
}

func TestBodyLimit(t *testing.T) {
	limited := func() *Server { return &Server{LimitRequestBody: 1000} }
	eachProtocol(t, limited, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		var tooLarge *http.MaxBytesError
		if r.ContentLength < 0 && !errors.As(err, &tooLarge) {
			t.Errorf("Read: %v", err)
		}
	}, func(t *testing.T, st *site, p string) {
		if a := st.do(t, p, ask{method: "POST", path: "/", body: strings.Repeat("x", 1000)}); a.status != 200 {
			t.Errorf("at the limit: %+v", a)
		}
		if a := st.do(t, p, ask{method: "POST", path: "/", body: strings.Repeat("x", 5_000_000)}); a.status != 413 || !a.complete {
			t.Errorf("above: %+v", a)
		}
		if p == "uwsgi" {
			return
		}
		// Of unknown length: only reading shows it.
		c := st.dial(t)
		a := ask{method: "POST", path: "/"}
		if p == "http" {
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", 2000, strings.Repeat("x", 2000))
		} else {
			c.Write(a.head(p))
			c.Write(a.piece(p, []byte(strings.Repeat("x", 2000))))
			c.Write(a.piece(p, nil))
		}
		if got, err := receiveAnswer(p, bufio.NewReader(c), &a); err != nil || got.status != 413 {
			t.Errorf("unknown length: %+v, %v", got, err)
		}
	})
}

// The front goes on sending while the answer is already there; it has to see all
// of the answer, whether it reads meanwhile or not.
func TestEarlyAnswer(t *testing.T) {
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403)
		io.WriteString(w, "no")
	}, func(t *testing.T, st *site, p string) {
		for range 20 {
			c := st.dial(t)
			a := ask{method: "POST", path: "/", body: strings.Repeat("x", 4<<20)}
			if _, err := c.Write(a.wire(p)); err != nil {
				t.Fatalf("the upload was cut: %v", err)
			}
			got, err := receiveAnswer(p, bufio.NewReader(c), &a)
			if err != nil || got.status != 403 || got.body != "no" || !got.complete {
				t.Fatalf("%+v, %v", got, err)
			}
		}
	})
}

// Caddy and Apache send everything before they read a byte.
func TestWritingBeforeReading(t *testing.T) {
	const size = 6 << 20
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		p := []byte(strings.Repeat("y", 1<<20))
		for range size / len(p) {
			if _, err := w.Write(p); err != nil {
				t.Errorf("Write: %v", err)
				return
			}
		}
		n, err := io.Copy(io.Discard, r.Body)
		if n != size || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	}, func(t *testing.T, st *site, p string) {
		c := st.dial(t)
		a := ask{method: "POST", path: "/", body: strings.Repeat("x", size)}
		if _, err := c.Write(a.wire(p)); err != nil {
			t.Fatal(err)
		}
		got, err := receiveAnswer(p, bufio.NewReader(c), &a)
		if err != nil || len(got.body) != size || !got.complete {
			t.Fatalf("%d bytes, complete %v, %v", len(got.body), got.complete, err)
		}
	})
}

func TestHangupCancels(t *testing.T) {
	causes := make(chan error, 1)
	began := make(chan bool, 1)
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		began <- true
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		<-ctx.Done()
		causes <- context.Cause(ctx)
	}, func(t *testing.T, st *site, p string) {
		c := st.dial(t)
		a := ask{method: "GET", path: "/", keep: true}
		c.Write(a.wire(p))
		<-began
		c.Close()
		if err := <-causes; !errors.Is(err, cgi.ErrHangup) {
			t.Errorf("cause %v", err)
		}
	})
}

// A front that only ended its side of a Unix socket still wants the answer.
func TestHalfCloseDoesNotCancel(t *testing.T) {
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Errorf("cancelled: %v", context.Cause(r.Context()))
		case <-time.After(50 * time.Millisecond):
		}
		io.WriteString(w, "here")
	}, func(t *testing.T, st *site, p string) {
		c := st.dial(t).(*net.UnixConn)
		a := ask{method: "GET", path: "/"}
		w := a.wire(p)
		if p == "fastcgi" {
			w = append(w, a.piece(p, nil)...)
		}
		c.Write(w)
		c.CloseWrite()
		got, err := receiveAnswer(p, bufio.NewReader(c), &a)
		if err != nil || got.body != "here" || !got.complete {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestTCPHalfClose(t *testing.T) {
	ended := make(chan error, 3)
	wait := patience
	h := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(wait):
		}
		ended <- context.Cause(r.Context())
		io.WriteString(w, "here")
	}
	for _, p := range protocolsToTest {
		t.Run(p, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			want := cgi.ErrHangup
			if p == "uwsgi" {
				want, wait = nil, 300*time.Millisecond
			} else {
				wait = patience
			}
			st := serveOn(t, plainServer(), h, l)
			c := st.dial(t).(*net.TCPConn)
			a := ask{method: "GET", path: "/"}
			w := a.wire(p)
			if p == "fastcgi" {
				w = append(w, a.piece(p, nil)...)
			}
			c.Write(w)
			c.CloseWrite()
			if err := <-ended; !errors.Is(err, want) {
				t.Errorf("cause %v, want %v", err, want)
			}
		})
	}
}

func TestStreaming(t *testing.T) {
	step := make(chan bool)
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		for i := range 3 {
			fmt.Fprintf(w, "event %d;", i)
			if err := rc.Flush(); err != nil {
				t.Error(err)
			}
			<-step
		}
	}, func(t *testing.T, st *site, p string) {
		c := st.dial(t)
		a := ask{method: "GET", path: "/"}
		c.Write(a.wire(p))
		in := bufio.NewReader(c)
		seen := ""
		for i := range 3 {
			for want := fmt.Sprintf("event %d;", i); !strings.Contains(seen, want); {
				b, err := in.ReadByte()
				if err != nil {
					t.Fatal(err)
				}
				seen += string(b)
			}
			step <- true
		}
	})
}

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	content := strings.Repeat("0123456789abcdef", 200_000)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, path)
	}, func(t *testing.T, st *site, p string) {
		if a := st.do(t, p, ask{method: "GET", path: "/"}); a.body != content || !a.complete {
			t.Errorf("%d bytes of %d, complete %v", len(a.body), len(content), a.complete)
		}
		a := st.do(t, p, ask{method: "GET", path: "/", header: map[string]string{"Range": "bytes=100000-199999"}})
		if a.status != 206 || a.body != content[100000:200000] {
			t.Errorf("range: %d, %d bytes", a.status, len(a.body))
		}
		if a := st.do(t, p, ask{method: "HEAD", path: "/"}); a.body != "" || a.header.Get("Content-Length") != fmt.Sprint(len(content)) {
			t.Errorf("HEAD: %+v", a)
		}
	})
}
