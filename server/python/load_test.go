// Reloads and recycling under load: no request fails.

package python_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Reloads, good and broken, under load: no request fails, and an import that takes
// long stalls nobody.
func TestReloadUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the machine for a while")
	}
	s := open(t, "../../examples/flask", flask, "")
	l := s.load(protocols...)
	good, err := os.ReadFile(s.dir + "/app.py")
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		l.each(5)
		s.verb("reload")
	}
	s.write("app.py", "import flask\nraise RuntimeError('a broken deploy')\n")
	if out, err := s.try("reload"); err == nil || !strings.Contains(out, "RuntimeError: a broken deploy") {
		t.Errorf("a broken deploy: %v\n%s", err, out)
	}
	l.each(5)

	s.write("app.py", "import os, time\nopen('importing', 'w')\nwhile not os.path.exists('go'): time.sleep(0.05)\n"+string(good))
	reloaded := make(chan error)
	go func() {
		_, err := s.try("reload")
		reloaded <- err
	}()
	s.made("importing")
	for range 3 {
		l.each(20)
	}
	touch(t, s.dir+"/go")
	if err := <-reloaded; err != nil {
		t.Errorf("reload: %v", err)
	}
	l.each(5)
	l.end()
}

// A stop under load: everybody is answered who was connected when it was asked for,
// the accept queue included.
func TestStopUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the machine for a while")
	}
	s := prepare(t, "../../examples/flask", flask)
	s.begin()
	s.ready(2)
	var answers atomic.Int64
	var clients sync.WaitGroup
	var connecting sync.RWMutex
	asked := false // guarded by connecting
	connect := func() net.Conn {
		connecting.RLock()
		defer connecting.RUnlock()
		if asked {
			return nil
		}
		c, err := net.Dial("unix", s.dir+"/app.sock")
		if err != nil {
			t.Error(err)
			return nil
		}
		return c
	}
	for range 16 {
		clients.Go(func() {
			for c := connect(); c != nil; c = connect() {
				c.SetDeadline(time.Now().Add(patience))
				io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
				b, err := io.ReadAll(c)
				c.Close()
				if err != nil || !strings.Contains(string(b), " 200 ") {
					t.Errorf("%q, %v", b, err)
					return
				}
				answers.Add(1)
			}
		})
	}
	eventually(t, "100 answers", func() bool { return answers.Load() > 100 })
	connecting.Lock()
	asked = true
	connecting.Unlock()
	s.verb("stop")
	clients.Wait()
	t.Logf("%d requests", answers.Load())
}

// TestRecycleUnderLoad replaces workers by the number of their requests.
func TestRecycleUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the machine for a while")
	}
	s := open(t, "../../examples/flask", flask+"max_requests = 300\nmax_requests_jitter = 100\n", "")
	l := s.load(protocols...)
	deadline := time.Now().Add(60 * time.Second)
	for strings.Count(s.log.String(), `reason="max requests"`) < 6 {
		if time.Now().After(deadline) {
			t.Error("not six workers were recycled")
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.end()
}

// waiting is an application that waits, for a database say, and does nothing else.
const waiting = `import time

def application(environ, start_response):
    got = len(environ["wsgi.input"].read())
    time.sleep(0.03)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d bytes" % got]
`

// The number of workers follows the load: up while requests wait, and, which takes
// minutes, down again while few come. None of them fails.
func TestWorkersFollowTheLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the machine for a while")
	}
	s := open(t, folder(t, waiting), config("app", "", "workers = 1\nworkers_min = 1\nworkers_max = 4"), "")
	s.ready(1)
	l := s.load(protocols...)
	s.ready(4)
	l.each(5)
	l.end()
	if os.Getenv("APPD_SOAK") == "" {
		return
	}
	few := s.load("fastcgi-keep") // two clients: two workers have something to do, and a third is spare
	s.readyWithin(3, 3*time.Minute)
	few.end()
	s.readyWithin(1, 5*time.Minute)
}

// siteLoad is clients that ask a site over all protocols until end is called.
type siteLoad struct {
	t         *testing.T
	stop      chan struct{}
	over      sync.WaitGroup
	protocols []string
	clients   []*atomic.Int64 // answers of each, two over each protocol
}

func (s *site) load(protocols ...string) *siteLoad {
	l := &siteLoad{t: s.t, stop: make(chan struct{}), protocols: protocols}
	for i := range 2 * len(protocols) {
		answers, c := new(atomic.Int64), s.client(protocols[i/2])
		l.clients = append(l.clients, answers)
		l.over.Go(func() { l.ask(c, protocols[i/2], answers) })
	}
	return l
}

// large is more than a socket takes at once.
var large = strings.Repeat("large", 60_000)

// ask sends requests one after another; the first that is not answered with 200
// fails the test and ends the client.
func (l *siteLoad) ask(c *http.Client, protocol string, answers *atomic.Int64) {
	for {
		for _, q := range []*http.Request{request("GET", "/", nil), request("PUT", "/upload", strings.NewReader(large))} {
			select {
			case <-l.stop:
				return
			default:
			}
			r, err := c.Do(q)
			if err == nil {
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			if err != nil || r.StatusCode != 200 {
				l.t.Errorf("%s %s over %s: %v %v", q.Method, q.URL.Path, protocol, r, err)
				return
			}
			answers.Add(1)
		}
	}
}

// each waits until every client has had n more answers.
func (l *siteLoad) each(n int64) {
	l.t.Helper()
	for i, answers := range l.clients {
		from := answers.Load()
		for deadline := time.Now().Add(60 * time.Second); answers.Load() < from+n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				l.t.Fatalf("client %d over %s has %d answers, and had %d a minute ago", i, l.protocols[i/2], answers.Load(), from)
			}
		}
	}
}

// end stops the clients.
func (l *siteLoad) end() {
	close(l.stop)
	l.over.Wait()
	for i, answers := range l.clients {
		l.t.Logf("%s: %d requests", l.protocols[i/2], answers.Load())
	}
}
