// Too much at once: a worker that holds as many connections as it may, and an
// accept queue with no room left.

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
)

// crowd is an appd that is soon full, with every front before it. Idle connections
// are not kept for long: those of one front would take the room of the next.
func crowd(t *testing.T) (a *appd, fronts []*front) {
	t.Helper()
	t.Setenv("APPD_BACKLOG", "50")
	a = ownAppd(t, nil, "workers = 1\nworker_connections = 2\nkeepalive = \"100ms\"\n")
	for _, p := range programs {
		if p.name == routers {
			continue
		}
		need(t, p.name)
		fronts = append(fronts, p.start(t, a)...)
	}
	return a, fronts
}

// At worker_connections the client gets a complete 503 through every front. With a
// full accept queue connect fails, and the front says so in its own words. When
// there is room again all is as before.
func TestCrowded(t *testing.T) {
	a, fronts := crowd(t)
	free := fillWorker(t, a)
	askAll(fronts, func(f *front, got *answer, err error) {
		if err != nil || got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || len(got.body) == 0 || got.cut != nil {
			t.Errorf("%s, worker full: answer = %+v, %v", f.code, got, err)
		}
	})
	free()
	for _, f := range fronts {
		f.settle(t)
	}

	free = fillQueues(t, a)
	patient := slices.DeleteFunc(slices.Clone(fronts), func(f *front) bool { return f.code[0] != 'A' })
	hasty := slices.DeleteFunc(slices.Clone(fronts), func(f *front) bool { return f.code[0] == 'A' })
	var asked sync.WaitGroup
	asked.Go(func() { // Apache's connect blocks until there is room
		askAll(patient, func(f *front, got *answer, err error) {
			if err != nil || got.status != http.StatusOK {
				t.Errorf("%s, queue full: answer = %+v, %v", f.code, got, err)
			}
		})
	})
	askAll(hasty, func(f *front, got *answer, err error) {
		if want := refusedConnect[f.code[0]]; err != nil || got.status != want {
			t.Errorf("%s, queue full: answer = %+v, %v, want %d", f.code, got, err, want)
		}
	})
	free()
	asked.Wait()
	for _, f := range fronts {
		f.settle(t)
	}
}

// refusedConnect is what fronts answer when connect fails at once, by the first
// letter of their codes.
var refusedConnect = map[byte]int{'N': 502, 'H': 503, 'L': 500, 'C': 502}

// askAll asks all fronts at once and has every answer looked at.
func askAll(fronts []*front, look func(f *front, got *answer, err error)) {
	var asked sync.WaitGroup
	for _, f := range fronts {
		asked.Go(func() {
			got, err := request(f.addr, "GET", "/whoami", nil)
			look(f, got, err)
		})
	}
	asked.Wait()
}

// fillWorker holds all connections that the worker may have, until free is called.
func fillWorker(t *testing.T, a *appd) (free func()) {
	t.Helper()
	eventually(t, "no connection is open", func() bool {
		open := int64(0)
		for _, w := range a.status(t).Workers {
			open += w.Gauges[handoff.Open]
		}
		return open == 0
	})
	var held []net.Conn
	for range 2 {
		key := newKey()
		c, _ := raw(t, a.http(), fmt.Sprintf("GET /hang?key=%s HTTP/1.1\r\nHost: front\r\n\r\n", key))
		noted(t, a.notes, key, "began")
		held = append(held, c)
	}
	return func() { closeAll(held) }
}

// fillQueues sends all workers away and connects to every socket until it takes no
// more. Then free brings the workers back.
func fillQueues(t *testing.T, a *appd) (free func()) {
	t.Helper()
	a.signal(t, syscall.SIGWINCH)
	eventually(t, "all workers are gone", func() bool { return len(a.status(t).Workers) == 0 })
	var held []net.Conn
	for _, name := range []string{"fastcgi", "uwsgi", "http", "apache", "lighttpd", "haproxy", "caddy"} {
		for len(held) < 1000 {
			c, err := net.Dial("unix", a.socket(name))
			if err != nil {
				break
			}
			held = append(held, c)
		}
	}
	if len(held) == 1000 {
		t.Error("a socket takes any number of connections")
	}
	return func() {
		closeAll(held) // they never ask, and would take the room
		a.signal(t, syscall.SIGHUP)
	}
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}
