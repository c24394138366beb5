package status

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/appd-server/appd/supervisor"
)

// get asks an Admin without a network.
func get(a *Admin, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestHealth(t *testing.T) {
	for _, test := range []struct {
		name                string
		ready, stopping     bool
		err                 error
		healthz, readyz     int
		healthText, readyTx string
	}{
		{"serving", true, false, nil, 200, 200, "ok\n", "ready\n"},
		{"booting", false, false, nil, 200, 503, "ok\n", "no worker is ready\n"},
		{"in stop_delay", false, true, nil, 200, 503, "ok\n", "stopping\n"},
		{"stopping while workers are ready", true, true, nil, 200, 503, "ok\n", "stopping\n"},
		{"stuck", false, false, errors.New("deadline"), 503, 503, "the supervisor does not answer: deadline\n", "the supervisor does not answer: deadline\n"},
	} {
		a := &Admin{Source: func(context.Context) (supervisor.Snapshot, error) {
			return supervisor.Snapshot{Ready: test.ready, Stopping: test.stopping}, test.err
		}}
		if w := get(a, "/healthz"); w.Code != test.healthz || w.Body.String() != test.healthText {
			t.Errorf("%s: /healthz = %d %q", test.name, w.Code, w.Body)
		}
		if w := get(a, "/readyz"); w.Code != test.readyz || w.Body.String() != test.readyTx {
			t.Errorf("%s: /readyz = %d %q", test.name, w.Code, w.Body)
		}
	}
}

func TestPages(t *testing.T) {
	source := new(moving)
	source.step(time.Second)
	a := &Admin{Source: source.source, Version: "1"}
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/chart.js": "text/javascript; charset=utf-8", "/words.js": "text/javascript; charset=utf-8",
		"/page.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml", "/status": "application/json", "/history": "application/json",
	} {
		w := get(a, path)
		if w.Code != 200 || w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Header().Get("Content-Type"), kind)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
		if text := w.Body.String(); kind != "application/json" && path != "/icon.svg" && strings.Contains(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), "//www") {
			t.Errorf("%s refers to another site", path)
		}
	}
	if w := get(a, "/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), "appd_requests_total") || !strings.Contains(w.Body.String(), "process_open_fds") {
		t.Errorf("/metrics: %d %s", w.Code, w.Body)
	}
	if w := get(a, "/nothing"); w.Code != 404 {
		t.Errorf("/nothing: %d", w.Code)
	}
	w := httptest.NewRecorder()
	a.handler().ServeHTTP(w, httptest.NewRequest("POST", "/status", nil))
	if w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestHistoryGivesWhatIsNew(t *testing.T) {
	source := new(moving)
	a := &Admin{Source: source.source}
	for range 4 { // three samples lie between four looks
		source.step(time.Second)
		a.sample(t.Context())
	}
	ask := func(query string) (list []Sample) {
		w := get(a, "/history"+query)
		var answer struct{ Samples []Sample }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Samples == nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		return answer.Samples
	}
	all := ask("")
	if len(all) != 3 {
		t.Fatalf("%d samples, want 3", len(all))
	}
	if late := ask("?after=" + strings.ReplaceAll(all[1].At.Format(time.RFC3339Nano), "+", "%2B")); len(late) != 1 || !late[0].At.Equal(all[2].At) {
		t.Errorf("after the second: %+v", late)
	}
	if w := get(a, "/history?after=yesterday"); w.Code != 400 {
		t.Errorf("a bad time: %d", w.Code)
	}
}

// serveAt runs an Admin at an address until stop is called.
func serveAt(t *testing.T, address Address) (stop func()) {
	t.Helper()
	source := new(moving)
	source.step(time.Second)
	l, err := address.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Admin{Source: source.source}).Serve(ctx, l) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	}
}

// overUnix asks for /healthz over a Unix socket.
func overUnix(path string) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	r, err := client.Get("http://admin/healthz")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return err
}

// A successor takes the path over while its predecessor still serves, and the
// predecessor leaves the successor's socket alone.
func TestUnixSocketChangesHands(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := filepath.Join(t.TempDir(), "admin.sock")
	stopOld := serveAt(t, Address{Address: "unix:" + path, Mode: 0o640})
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	stopNew := serveAt(t, Address{Address: "unix:" + path})
	stopOld()
	if err := overUnix(path); err != nil {
		t.Errorf("the successor does not answer: %v", err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	stopNew()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := (Address{Address: "unix:" + path}).Listen(); err == nil {
		l.Close()
		t.Error("a file that is no socket is replaced")
	}
}

func TestTCPAddressChangesHands(t *testing.T) {
	l, err := (Address{Address: "127.0.0.1:0"}).Listen()
	if err != nil {
		t.Fatal(err)
	}
	same := Address{Address: l.Addr().String()}
	if _, err := same.Listen(); err == nil {
		t.Fatal("two listen at one address")
	}
	got := make(chan error)
	go func() {
		next, err := same.ListenWhenFree(t.Context())
		if err == nil {
			next.Close()
		}
		got <- err
	}()
	l.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestAllowedPeers(t *testing.T) {
	accepted := func(address Address, network string) bool {
		t.Helper()
		l, err := address.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		got := make(chan bool)
		go func() {
			c, err := l.Accept()
			if err == nil {
				c.Write([]byte("x"))
				c.Close()
			}
			got <- err == nil
		}()
		c, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		n, _ := c.Read(make([]byte, 1))
		l.Close()
		return n == 1 && <-got || n == 0 && <-got
	}
	for _, test := range []struct {
		peers []string
		want  bool
	}{
		{nil, true}, {[]string{"127.0.0.1"}, true}, {[]string{"10.0.0.0/8", "127.0.0.0/8"}, true}, {[]string{"10.0.0.0/8"}, false}, {[]string{"::1"}, false},
	} {
		if got := accepted(Address{Address: "127.0.0.1:0", AllowPeers: test.peers}, "tcp"); got != test.want {
			t.Errorf("from 127.0.0.1 with %v: %v", test.peers, got)
		}
	}
	allowed, err := Address{Address: "unix:x", AllowPeers: []string{"4242"}}.peers()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if allowed(ours) {
		t.Error("a peer that nobody knows is allowed")
	}
	for _, bad := range []Address{{Address: ":0", AllowPeers: []string{"localhost"}}, {Address: "unix:x", AllowPeers: []string{"no-such-user"}}} {
		if _, err := bad.Listen(); err == nil || !strings.Contains(err.Error(), "allow_peers") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
