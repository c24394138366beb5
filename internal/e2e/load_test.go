// A bounded load generator that counts every request that fails.

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is clients that ask a front until they are told to stop, or have asked
// often enough, or long enough.
type load struct {
	t      testing.TB
	addr   string
	stop   chan struct{}
	over   sync.WaitGroup
	asked  atomic.Int64
	failed atomic.Int64

	mu       sync.Mutex
	failures []string // the first few
	pids     map[int]int
	longest  time.Duration // that a request took
}

// Bounds of one load, whatever happens.
const (
	mostRequests = 200_000
	mostTime     = 10 * time.Minute
)

// kindsOfClients is what the clients of a load do, in turn: a short GET, a POST, a
// POST whose body comes in pieces larger than any buffer, a GET that takes a while.
var kindsOfClients = []struct {
	method, target string
	body           int
	want           string // in the answer
	pause          time.Duration
}{
	{"GET", "/whoami", 0, `"PID"`, 2 * time.Millisecond},
	{"POST", "/echo", 11, `"BodyLen":11,`, 2 * time.Millisecond},
	{"POST", "/echo", 300_000, `"BodyLen":300000,`, 20 * time.Millisecond},
	{"GET", "/slow?ms=60", 0, "slow 0", 0},
}

// startLoad lets one client of each kind ask addr. kept says whether a client keeps
// its connection to the front.
func startLoad(t testing.TB, addr string, kept bool) *load {
	t.Helper()
	l := &load{t: t, addr: addr, stop: make(chan struct{}), pids: map[int]int{}}
	deadline := time.Now().Add(mostTime)
	for i := range kindsOfClients {
		c := &loadClient{load: l, kind: i, kept: kept}
		l.over.Go(func() { c.run(deadline) })
	}
	t.Cleanup(l.halt)
	return l
}

// halt ends the load and waits for the clients.
func (l *load) halt() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.over.Wait()
}

// finish ends the load after at least so many requests and wants every one answered.
func (l *load) finish(least int64) {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("%d requests", least), func() bool { return l.asked.Load() >= least })
	l.halt()
	l.mu.Lock()
	defer l.mu.Unlock()
	n, failed := l.asked.Load(), l.failed.Load()
	l.t.Logf("%d requests, %d failed, %d worker processes, longest %v", n, failed, len(l.pids), l.longest.Round(time.Millisecond))
	if failed != 0 {
		l.t.Errorf("%d of %d requests failed:\n%s", failed, n, strings.Join(l.failures, "\n"))
	}
}

// fail notes a failed request.
func (l *load) fail(format string, args ...any) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < 10 {
		l.failures = append(l.failures, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// atLeast waits until n more requests have been answered.
func (l *load) atLeast(n int64) {
	l.t.Helper()
	from := l.asked.Load()
	eventually(l.t, fmt.Sprintf("%d more requests", n), func() bool { return l.asked.Load() >= from+n })
}

// loadClient is one client of a load.
type loadClient struct {
	load *load
	kind int
	kept bool

	conn net.Conn
	r    *bufio.Reader
}

func (c *loadClient) run(deadline time.Time) {
	defer c.hangUp()
	kind := kindsOfClients[c.kind]
	for time.Now().Before(deadline) && c.load.asked.Load() < mostRequests {
		select {
		case <-c.load.stop:
			return
		case <-time.After(kind.pause): // the load is bounded: the servers are not to be starved by it
		}
		began := time.Now()
		if err := c.ask(); err != nil {
			c.load.fail("%s %s: %v", kind.method, kind.target, err)
			c.hangUp()
		}
		c.load.asked.Add(1)
		c.load.took(time.Since(began))
	}
}

// took notes how long a request took.
func (l *load) took(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, d)
}

func (c *loadClient) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ask sends one request and checks the whole answer. It never asks twice: a
// connection that ends under it is a failure.
func (c *loadClient) ask() error {
	kind := kindsOfClients[c.kind]
	if c.conn == nil {
		conn, err := dial(c.load.addr)
		if err != nil {
			return err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(limit))
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: front\r\nContent-Length: %d\r\n\r\n", kind.method, kind.target, kind.body)
	if kind.body == 0 {
		text = fmt.Sprintf("%s %s HTTP/1.1\r\nHost: front\r\n\r\n", kind.method, kind.target)
	}
	if _, err := io.WriteString(c.conn, text); err != nil {
		return err
	}
	if _, err := io.Copy(c.conn, bulk(int64(kind.body))); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s: body: %w", resp.Status, err)
	case resp.StatusCode != 200:
		return fmt.Errorf("%s: %.60q", resp.Status, body)
	case !strings.Contains(string(body), kind.want):
		return fmt.Errorf("the body lacks %s: %.60q", kind.want, body)
	}
	c.count(string(body))
	if resp.Close || !c.kept {
		c.hangUp()
	}
	return nil
}

// count notes which process answered.
func (c *loadClient) count(body string) {
	_, after, found := strings.Cut(body, `"PID":`)
	if !found {
		return
	}
	var pid int
	fmt.Sscanf(after, "%d", &pid)
	c.load.mu.Lock()
	defer c.load.mu.Unlock()
	c.load.pids[pid]++
}
