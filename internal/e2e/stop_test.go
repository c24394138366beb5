// A stop: whoever waits in the accept queue already is answered, streams say
// goodbye, the health endpoint says so before.

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The accept queue of every protocol is full to the last place when TERM comes, to the
// supervisor or to everybody at once, as a service manager sends it that was not told
// otherwise.
func TestLoadStopWithQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("load takes its time")
	}
	const busy, backlog = 4, 16
	for _, name := range []string{"NF", "NU", "NH0", "NH0 everybody"} {
		code, everybody, _ := strings.Cut(name, " ")
		t.Run(name, func(t *testing.T) {
			t.Setenv("APPD_BACKLOG", fmt.Sprint(backlog))
			a := newAppd(t, t.Name(), nil, fmt.Sprintf("workers = 1\nworker_connections = %d\n", busy))
			var f *front
			for _, one := range startNginx(t, a) {
				if one.code == code {
					f = one
				}
			}
			var over sync.WaitGroup
			failures := make(chan string, 2*(busy+backlog))
			ask := func(n int, target string) {
				for range n {
					over.Go(func() {
						got, err := request(f.addr, "GET", target, nil)
						if err != nil || got.status != 200 || got.cut != nil {
							failures <- fmt.Sprintf("%+v, %v", got, err)
						}
					})
				}
			}
			key := newKey()
			ask(busy, "/slow?key="+key)
			eventually(t, "the worker is full", func() bool {
				s := a.status(t)
				return len(s.Workers) == 1 && len(s.Workers[0].InFlight) == busy
			})
			ask(backlog, "/slow?ms=20")
			eventually(t, "the accept queue is full", func() bool { return queued(a) >= backlog })
			if everybody != "" {
				syscall.Kill(a.status(t).Workers[0].PID, syscall.SIGTERM)
				a.awaitLog(t, "nobody here told it to")
			}
			a.signal(t, syscall.SIGTERM)
			a.awaitLog(t, "stopping")
			a.release(t, key, "go")
			over.Wait()
			close(failures)
			for f := range failures {
				t.Error(f)
			}
			eventually(t, "appd stops", a.ended)
			for _, sock := range []string{a.fastcgi(), a.uwsgi(), a.http()} {
				if _, err := os.Stat(sock); err == nil {
					t.Errorf("%s is left", filepath.Base(sock))
				}
			}
		})
	}
}

// queued counts the connections to a's sockets that nobody has accepted yet:
// /proc/net/unix shows them in state 02 with the listener's path.
func queued(a *appd) (n int) {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 7 && strings.HasPrefix(f[7], a.dir+"/") && f[5] == "02" {
			n++
		}
	}
	return n
}

// With stop_delay the health endpoint says "not ready" while requests are served
// as ever; only then the stop begins.
func TestStopDelay(t *testing.T) {
	sock := filepath.Join(folder(t, "TestStopDelay"), "admin.sock")
	a := newAppd(t, "TestStopDelay", nil, fmt.Sprintf("workers = 1\nstop_delay = \"5s\"\nadmin \"unix:%s\" {}\n", sock))
	ok(t, sock, "GET", "/readyz", nil)
	a.signal(t, syscall.SIGTERM)
	eventually(t, "/readyz says 503", func() bool {
		got, err := request(sock, "GET", "/readyz", nil)
		return err == nil && got.status == http.StatusServiceUnavailable
	})
	ok(t, a.http(), "GET", "/whoami", nil)
	ok(t, sock, "GET", "/healthz", nil)
	eventually(t, "appd stops", a.ended)
	if !strings.Contains(a.text(), "after=5s") {
		t.Errorf("the log does not name the delay:\n%s", a.tail())
	}
}

// An event stream is told of the drain and says goodbye, in a reload and in a stop,
// and nobody waits for graceful_timeout.
func TestFarewell(t *testing.T) {
	a := ownAppd(t, nil, "workers = 1\n")
	fronts := startNginx(t, a)
	for _, f := range fronts {
		c, r := raw(t, f.addr, "GET /farewell HTTP/1.0\r\nHost: front\r\n\r\n")
		for line := ""; !strings.Contains(line, "data: hello"); {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatalf("%s: %v", f.code, err)
			}
		}
		a.verb(t, "reload")
		rest, err := io.ReadAll(r)
		if !strings.Contains(string(rest), "data: goodbye") {
			t.Errorf("%s: the stream ended with %q, %v", f.code, rest, err)
		}
		c.Close()
	}
}
