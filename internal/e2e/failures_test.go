// What goes wrong: clients that leave, handlers that panic, processes that die.

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// A client that leaves cancels the context of a silent handler within a second,
// where the front tells.
func TestAbortSilent(t *testing.T) {
	behind(t, func(t *testing.T, f *front) { abort(t, f, "/hang?key=%s") },
		"NF", "NK", "NX", "NU", "NH0", "NH1", "NFD", "NUD", "CH", "UR", "FR")
}

// The same while an answer is being sent: the front notices at its next write.
func TestAbortStreaming(t *testing.T) {
	behind(t, func(t *testing.T, f *front) { abort(t, f, "/hang?talking=1&key=%s") },
		"NF", "NK", "NX", "NU", "NH0", "NH1", "HF", "HH", "CF", "CH", "LFS")
}

// HAProxy gives a request up when its own timeout strikes, here an impatient one, with ABORT_REQUEST
// where other requests may share the connection.
func TestAbortRequest(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		key := newKey()
		got, err := request(f.addr, "GET", "/hang?impatient=1&key="+key, nil)
		if err != nil || got.status != http.StatusGatewayTimeout {
			t.Errorf("answer = %+v, %v, want HAProxy's 504", got, err)
		}
		_, cause, _ := strings.Cut(noted(t, shared(t).notes, key, "cancelled"), " ")
		if cause != cgi.ErrAborted.Error() && cause != cgi.ErrHangup.Error() {
			t.Errorf("cause = %q", cause)
		}
		f.settle(t)
	}, "HF", "HM")
}

// abort sends a request, waits until the handler runs, leaves, and wants the
// handler to notice within a second: the best of ten, because the machine may be busy.
func abort(t *testing.T, f *front, target string) {
	t.Helper()
	notes := shared(t).notes
	best := time.Hour
	for range 10 {
		key := newKey()
		c, _ := raw(t, f.addr, "GET "+fmt.Sprintf(target, key)+" HTTP/1.1\r\nHost: front\r\n\r\n")
		noted(t, notes, key, "began")
		left := time.Now()
		c.Close()
		at, cause, _ := strings.Cut(noted(t, notes, key, "cancelled"), " ")
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			t.Fatalf("the handler's context: %s %s", at, cause)
		}
		if cause == "" || cause == "context canceled" {
			t.Errorf("cause = %q, want one that says what happened", cause)
		}
		if best = min(best, time.UnixMilli(ms).Sub(left)); best < time.Second {
			return
		}
	}
	t.Errorf("the handler noticed after %v at best", best)
}

// An upload that breaks off is an error for the handler, never a clean end.
func TestAbortUpload(t *testing.T) {
	notes := shared(t).notes
	behind(t, func(t *testing.T, f *front) {
		key := newKey()
		c, _ := raw(t, f.addr, "POST /hash?key="+key+" HTTP/1.1\r\nHost: front\r\nContent-Length: 1000000\r\n\r\n")
		if _, err := io.CopyN(c, &pattern{}, 300_000); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // let some of it through; the outcome does not depend on it
		c.Close()
		got := noted(t, notes, key, "hash")
		if n, failed, _ := strings.Cut(got, " "); failed == "" {
			t.Errorf("the handler took %s bytes for the whole upload", n)
		}
	}, "NX", "NH1", "HF", "HM", "AF", "CF", "CH", "LFS")
}

// A panic before the first byte is a 500; the worker lives on.
func TestPanic(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		before := ownWorker(t, f)
		a, err := request(f.addr, "GET", "/panic", nil)
		if err != nil || a.status != 500 || a.header.Get("X-Lost") != "" {
			t.Errorf("answer = %+v, %v", a, err)
		}
		f.alive(t, before)
		shared(t).awaitLog(t, "before the headers")
	})
}

// A front over FastCGI is told of a panic, for its own log, and not what it was;
// not HAProxy: 2.6 crashes over such a line now and then.
func TestPanicInTheLogOfTheFront(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		key := newKey()
		if a, err := request(f.addr, "GET", "/panic", nil, header("X-Request-Id", key)); err != nil || a.status != 500 {
			t.Errorf("answer = %+v, %v", a, err)
		}
		line := "(request " + key + ")"
		text := ""
		eventually(t, f.code+" logs the panic", func() bool {
			text = f.server.text()
			files, _ := filepath.Glob(filepath.Join(root, "*", "error.log"))
			for _, file := range files {
				more, _ := os.ReadFile(file)
				text += string(more)
			}
			return strings.Contains(text, line)
		})
		if strings.Contains(text, "before the headers") {
			t.Errorf("%s logs what the handler panicked with", f.code)
		}
	}, "NF", "NK", "NX", "AF", "LF", "LFS")
}

// A panic after the first bytes cuts the answer, visibly.
func TestPanicLate(t *testing.T) {
	invisible := map[string]bool{ // without a length these cannot tell
		"NF": true, "NX": true, "NFD": true, "NU": true, "NUD": true, "NH0": true, "AU": true, "CF": true, "CH": true, "LF": true, "LFS": true, "LU": true, "LH": true,
	}
	behind(t, func(t *testing.T, f *front) {
		defer f.settle(t)
		before := ownWorker(t, f)
		for _, target := range []string{"/panic-late?length=1", "/panic-late"} {
			if target == "/panic-late" && invisible[f.code] {
				continue
			}
			a, err := request(f.addr, "GET", target, nil)
			if err == nil && a.status == 200 && a.cut == nil && f.code != "AF" {
				t.Errorf("%s: a broken answer looks complete: %q", target, a.body)
			}
		}
		f.alive(t, before)
	})
}

// http.ErrAbortHandler breaks the answer off without a word in the log.
func TestAbortHandler(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		defer f.settle(t)
		a, err := request(f.addr, "GET", "/abort", nil)
		if err == nil && a.status < 500 && a.cut == nil {
			t.Errorf("answer = %+v", a)
		}
	}, "NF", "NK", "NU", "NH0", "NH1", "HF", "HM")
}

// settle waits until the front answers again: HAProxy may choose a connection that
// is just ending for one more request.
func (f *front) settle(t *testing.T) {
	t.Helper()
	eventually(t, f.code+" answers again", func() bool {
		a, err := request(f.addr, "GET", "/whoami", nil)
		return err == nil && a.status == 200
	})
}

// ownWorker notes which processes answer.
func ownWorker(t *testing.T, f *front) map[int]who {
	t.Helper()
	return shared(t).workers(t, 2)
}

// alive wants the same processes to answer as before.
func (f *front) alive(t *testing.T, before map[int]who) {
	t.Helper()
	for pid := range shared(t).workers(t, 2) {
		if _, there := before[pid]; !there {
			t.Errorf("worker %d is new: another one died", pid)
		}
	}
}

// A worker that dies in a request costs that request and no other.
func TestWorkerDies(t *testing.T) {
	a := ownAppd(t, nil, "workers = 2\n")
	before := a.workers(t, 2)
	fronts := startNginx(t, a)
	for _, f := range fronts[:5] {
		got, err := request(f.addr, "GET", "/exit", nil)
		if err != nil || got.status != http.StatusBadGateway {
			t.Errorf("%s: answer = %+v, %v, want nginx's 502", f.code, got, err)
		}
		for range 10 {
			ok(t, f.addr, "GET", "/whoami", nil)
		}
		a.workers(t, 2)
	}
	for pid := range a.workers(t, 2) {
		if _, there := before[pid]; there {
			t.Logf("worker %d was never asked to exit", pid)
		}
	}
	a.awaitLog(t, "leaving in the middle of a request")
	a.awaitLog(t, "exit status 9")
}
