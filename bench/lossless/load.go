// The clients.
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	clients  = 4
	gap      = 5 * time.Millisecond // between two requests of a client
	patience = 20 * time.Second     // with one request
	longest  = 2 * time.Minute      // of one load
)

// tally is what became of the requests of a load.
type tally struct {
	mu       sync.Mutex
	asked    int
	failed   int
	worst    time.Duration
	why      map[string]int
	pids     map[string]time.Time // workers that answered, and when last
	lastGood time.Time
}

// load is clients that ask until they are stopped.
type load struct {
	tally
	stop context.CancelFunc
	over sync.WaitGroup
}

// newClient speaks HTTP to nginx; every request has a connection of its own.
func newClient(port int) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		},
	}}
}

// startLoad lets the clients ask, every other one with a body.
func startLoad(port int) *load {
	ctx, stop := context.WithTimeout(context.Background(), longest)
	l := &load{stop: stop}
	l.why, l.pids = map[string]int{}, map[string]time.Time{}
	c := newClient(port)
	for i := range clients {
		l.over.Go(func() {
			for ctx.Err() == nil {
				l.ask(c, i%2 == 1, "/")
				time.Sleep(gap)
			}
		})
	}
	return l
}

// end stops the clients, lets them finish, and returns what they counted.
func (l *load) end() *tally {
	l.stop()
	l.over.Wait()
	return &l.tally
}

// ask sends one request and counts its outcome.
func (t *tally) ask(c *http.Client, post bool, target string) {
	began := time.Now()
	pid, err := one(c, post, target)
	took := time.Since(began)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
	t.worst = max(t.worst, took)
	if err != nil {
		t.failed++
		t.why[err.Error()]++
		return
	}
	t.lastGood = time.Now()
	t.pids[pid] = t.lastGood
}

// one returns the pid that answered.
func one(c *http.Client, post bool, target string) (pid string, err error) {
	var r *http.Response
	if post {
		r, err = c.Post("http://bench"+target, "text/plain", strings.NewReader("hello world"))
	} else {
		r, err = c.Get("http://bench" + target)
	}
	if err != nil {
		return "", fmt.Errorf("no answer")
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	pid, isPID := strings.CutPrefix(string(body), "pid ")
	switch {
	case err != nil:
		return "", fmt.Errorf("a broken answer")
	case r.StatusCode != 200:
		return "", fmt.Errorf("%d", r.StatusCode)
	case !isPID:
		return "", fmt.Errorf("a wrong answer")
	}
	return pid, nil
}

// awaitOthers waits until an answer has come from n workers that are not in old and
// none of old has answered for a second, and says whether that came true.
func (t *tally) awaitOthers(old map[string]time.Time, n int) bool {
	return until(20*time.Second, func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		fresh := 0
		for pid, at := range t.pids {
			if _, is := old[pid]; !is {
				fresh++
			} else if time.Since(at) < time.Second {
				return false
			}
		}
		return fresh >= n
	})
}

// workers copies who has answered so far.
func (t *tally) workers() map[string]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]time.Time{}
	maps.Copy(all, t.pids)
	return all
}

// until waits for ok, at most for limit.
func until(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}
