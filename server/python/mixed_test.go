// Everything at once, for minutes: requests short and long, small and large, over all
// protocols, while workers come and go.

package python_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// mixed waits, computes and answers at random.
const mixed = `import random, time

def application(environ, start_response):
    got = len(environ["wsgi.input"].read())
    r = random.random()
    if r < 0.3:
        time.sleep(r / 4)
    elif r < 0.6:
        end = time.perf_counter() + r / 100
        while time.perf_counter() < end:
            pass
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d bytes" % got, b"x" * random.choice([0, 100, 5000, 100000, 1000000])]
`

// Bounds of one mixed load.
const (
	mixedTime    = time.Minute
	mixedClients = 8 // over each protocol
	mixedReloads = 4
)

func TestMixedLoad(t *testing.T) {
	if os.Getenv("APPD_SOAK") == "" {
		t.Skip("takes minutes; APPD_SOAK=1 runs it")
	}
	for name, kind := range map[string]string{"sync": "", "threads": "threads = 4", "gevent": `worker_class = "gevent"`} {
		t.Run(name, func(t *testing.T) {
			s := open(t, folder(t, mixed), config("app", kind, "workers = 2\nworkers_min = 1\nworkers_max = 4\nmax_requests = 2000"), "")
			var asked atomic.Int64
			var clients sync.WaitGroup
			end := time.Now().Add(mixedTime)
			for i := range mixedClients * len(protocols) {
				p := protocols[i%len(protocols)]
				clients.Go(func() {
					for c := s.client(p); time.Now().Before(end) && s.mixed(c, p, asked.Add(1)); {
					}
				})
			}
			for range mixedReloads {
				s.verb("reload")
				for from := asked.Load(); asked.Load() < from+1000 && time.Now().Before(end); {
					time.Sleep(10 * time.Millisecond)
				}
			}
			clients.Wait()
			t.Logf("%d requests", asked.Load())
		})
	}
}

// mixed sends the nth request and says whether it was answered.
func (s *site) mixed(c *http.Client, protocol string, n int64) bool {
	body := []string{"", "small", large}[n%3]
	method := "POST"
	if body == "" {
		method = "GET"
	}
	began := time.Now()
	r, err := c.Do(request(method, "/", strings.NewReader(body)))
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	if err != nil || r.StatusCode != 200 {
		s.t.Errorf("%s over %s: %v, %v after %v", method, protocol, r, err, time.Since(began))
		return false
	}
	return true
}
