// What shares a connection: the requests of a client, and those of a front.

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// Many requests on one connection of a client, in turn.
func TestConnectionReused(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		c, r := raw(t, f.addr, "")
		for i := range 5 {
			body := strings.Repeat("x", i)
			fmt.Fprintf(c, "POST /echo?n=%d HTTP/1.1\r\nHost: front\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body)
			s := decodeSeen(t, r)
			if s.Query != fmt.Sprintf("n=%d", i) || s.BodyLen != int64(i) {
				t.Errorf("request %d came in as %q with %d bytes", i, s.Query, s.BodyLen)
			}
		}
	})
}

// decodeSeen reads one answer of /echo from a kept connection.
func decodeSeen(t *testing.T, r *bufio.Reader) (s seen) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%s: %v: %.200q", resp.Status, err, text)
	}
	return s
}

// accepted is how many connections the workers have ever accepted.
func (a *appd) accepted(t *testing.T) (n int64) {
	t.Helper()
	for _, w := range a.status(t).Workers {
		n += int64(w.Counters.Events[handoff.Accepted])
	}
	return n
}

// A front that keeps its connections to appd asks again on the same; the others
// open one for each request.
func TestConnectionsKept(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		const n = 20
		before := shared(t).accepted(t)
		if f.kept {
			c, r := raw(t, f.addr, "")
			for range n {
				io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: front\r\n\r\n")
				decodeSeen(t, r)
			}
		} else {
			for range n {
				ok(t, f.addr, "GET", "/whoami", nil)
			}
		}
		// A few processes of the front may each open its own.
		if got := shared(t).accepted(t) - before; f.kept && got > n/2 || !f.kept && got != n {
			t.Errorf("%d requests came on %d connections, kept %v", n, got, f.kept)
		}
	})
}

// HAProxy asks for the values first and puts many requests on one connection.
func TestMultiplexed(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		ok(t, f.addr, "GET", "/whoami", nil) // opens the connection that the others find
		before := shared(t).accepted(t)
		done := make(chan error)
		const n = 40
		for i := range n {
			go func() {
				target := "/slow?ms=200"
				if i%2 == 1 {
					target = "/download?mb=1"
				}
				a, err := request(f.addr, "GET", target, nil)
				if err == nil && (a.status != 200 || a.cut != nil) {
					err = fmt.Errorf("%s: %s, cut %w", target, a.reason, a.cut)
				}
				done <- err
			}()
		}
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := shared(t).accepted(t) - before; got > n/2 {
			t.Errorf("%d requests came on %d connections", n, got)
		}
	}, "HM")
}

// HAProxy numbers the requests of a connection 1, 3, 5 and so on, and opens another
// one behind the last number, which is 32767 in version 2.6.
func TestRequestIDsUsedUp(t *testing.T) {
	if testing.Short() {
		t.Skip("asks 17,000 times")
	}
	a := ownAppd(t, nil, "workers = 1\n")
	fronts := startHAProxy(t, a)
	hm := fronts[slices.IndexFunc(fronts, func(f *front) bool { return f.code == "HM" })]
	before := a.accepted(t)
	c, r := raw(t, hm.addr, "")
	const n, together = 17_000, 50
	ask := strings.Repeat("GET /whoami HTTP/1.1\r\nHost: front\r\n\r\n", together)
	for i := range n / together {
		c.SetDeadline(time.Now().Add(limit))
		io.WriteString(c, ask)
		for range together {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("after %d requests: %v", i*together, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
				t.Fatalf("after %d requests: %s, %v", i*together, resp.Status, err)
			}
		}
	}
	if got := a.accepted(t) - before; got < 1 || got > 20 { // a few, whenever HAProxy thinks that it needs one more
		t.Errorf("%d requests came on %d new connections", n, got)
	}
}
