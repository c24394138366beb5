// The limit of a request, sentence by sentence, behind nginx: what its clock
// counts, who dies for it, and that neighbours do not.

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
	"time"

	"golang.org/x/net/websocket"

	"github.com/appd-server/appd/supervisor"
)

// behindNginx is an appd of its own behind an nginx of its own.
func behindNginx(t *testing.T, extra string, codes ...string) (*appd, []*front) {
	t.Helper()
	if testing.Short() {
		t.Skip("timeouts take their time")
	}
	a := ownAppd(t, nil, extra)
	all := startNginx(t, a)
	var fronts []*front
	for _, f := range all {
		if anyOf(codes, []string{f.code}) {
			fronts = append(fronts, f)
		}
	}
	return a, fronts
}

// A worker with one stuck request is replaced before it dies, and the fifty requests
// beside the stuck one end as if nothing had happened. The victim has a line in the
// access log; its stack and the request are in the log.
func TestTimeoutNeighbours(t *testing.T) {
	access := filepath.Join(folder(t, t.Name()), "access.log")
	a, fronts := behindNginx(t, fmt.Sprintf("workers = 1\ntimeout = 60\ngraceful_timeout = 60\naccesslog = %q\n", access), "NF", "NK", "NU", "NH0", "NH1")
	old := a.workers(t, 1)
	var over sync.WaitGroup
	failures := make(chan string, 300)
	ask := func(f *front, target string, want int) {
		over.Go(func() {
			got, err := request(f.addr, "GET", target, nil)
			if err != nil || got.status != want || got.cut != nil {
				failures <- fmt.Sprintf("%s %s: %+v, %v, want %d", f.code, target, got, err, want)
			}
		})
	}
	victims, neighbours := map[string]bool{}, newKey()
	for _, f := range fronts {
		for range 50 {
			ask(f, "/slow?key="+neighbours, http.StatusOK)
		}
	}
	eventually(t, "all neighbours are there", func() bool { return len(a.status(t).Workers[0].InFlight) == 50*len(fronts) })
	for _, f := range fronts { // together: soon the worker takes no more
		target := "/stuck?limit=1000&key=" + newKey()
		victims[target] = true
		ask(f, target, http.StatusBadGateway)
	}
	eventually(t, "a replacement serves while the neighbours go on", func() bool {
		for w := range askTogether(a.http(), 4) {
			if _, is := old[w.PID]; is {
				return false
			}
		}
		return true
	})
	for pid := range old {
		if syscall.Kill(pid, 0) != nil {
			t.Errorf("worker %d died before its neighbours were done", pid)
		}
	}
	a.release(t, neighbours, "go")
	over.Wait()
	close(failures)
	for f := range failures {
		t.Error(f)
	}
	eventually(t, "an access-log line for each victim", func() bool {
		text, _ := os.ReadFile(access)
		for target := range victims {
			if !strings.Contains(string(text), target) {
				return false
			}
		}
		return true
	})
	d := a.status(t).Deaths[0]
	if d.Reason != supervisor.TimedOut || len(d.InFlight) != len(victims) {
		t.Errorf("death report %+v", d)
	}
	for _, q := range d.InFlight {
		if !victims[q.Path] {
			t.Errorf("%s was in flight", q.Path)
		}
	}
	for _, want := range []string{"request stuck, replacing worker", "main.stuck(", "worker died", "GET /stuck?limit=1000"} {
		if !strings.Contains(a.text(), want) {
			t.Errorf("the log lacks %q:\n%s", want, a.tail())
		}
	}
}

// The context ends first: a handler that obeys answers, and nobody dies. A request
// may set its own limit, below and above the setting.
func TestTimeoutContext(t *testing.T) {
	a, fronts := behindNginx(t, "workers = 1\ntimeout = \"500ms\"\n", "NF", "NK", "NU", "NH0", "NH1")
	before := a.workers(t, 1)
	var over sync.WaitGroup
	for _, f := range fronts {
		for target, want := range map[string]string{
			"/obey": "503 timed out", "/obey?limit=200": "503 timed out", "/patient?limit=30000&ms=2500": "200 patient",
		} {
			over.Go(func() {
				status, body, _ := strings.Cut(want, " ")
				got, err := request(f.addr, "GET", target, nil)
				if err != nil || !strings.HasPrefix(got.reason, status) || !strings.Contains(string(got.body), body) {
					t.Errorf("%s %s: %+v, %v", f.code, target, got, err)
				}
			})
		}
	}
	over.Wait()
	a.same(t, before)
}

// The clock stands while the front sends or takes bytes, and after an upgrade.
func TestTimeoutClock(t *testing.T) {
	a, fronts := behindNginx(t, "workers = 1\ntimeout = \"500ms\"\n", "NX", "NH1", "NU")
	before := a.workers(t, 1)
	var over sync.WaitGroup
	for _, f := range fronts {
		if f.code == "NX" { // takes uploads and answers as they come
			over.Go(func() {
				got, err := request(f.addr, "POST", "/echo", &drip{left: 25}, sized(25))
				if err != nil || got.status != 200 || !strings.Contains(string(got.body), `"BodyLen":25,`) {
					t.Errorf("a slow upload: %+v, %v", got, err)
				}
			})
			over.Go(func() { slowDownload(t, f.addr) })
			continue
		}
		over.Go(func() { longTunnel(t, f.addr) })
	}
	over.Add(2) // and on appd's own sockets, where nothing is between
	go func() { defer over.Done(); slowDownload(t, a.http()) }()
	go func() { defer over.Done(); longTunnel(t, a.http()) }()
	over.Wait()
	a.same(t, before)
}

// drip is a body of one byte every 100 milliseconds.
type drip struct{ left int }

func (d *drip) Read(b []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(100 * time.Millisecond)
	d.left--
	b[0] = 'd'
	return 1, nil
}

// slowDownload takes 24 MiB, more than all the buffers on the way, with pauses.
func slowDownload(t *testing.T, addr string) {
	c, err := dial(addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	io.WriteString(c, "GET /download?mb=24 HTTP/1.0\r\nHost: front\r\n\r\n")
	var n int64
	for {
		k, err := io.CopyN(io.Discard, c, 1<<20)
		n += k
		if err != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if n < 24<<20 {
		t.Errorf("a slow download from %s ended after %d bytes", addr, n)
	}
}

// longTunnel keeps a WebSocket for several times the limit.
func longTunnel(t *testing.T, addr string) {
	conf, err := websocket.NewConfig("ws://front/ws", "http://front/")
	if err != nil {
		t.Error(err)
		return
	}
	conn, err := dial(addr)
	if err != nil {
		t.Error(err)
		return
	}
	ws, err := websocket.NewClient(conf, conn)
	if err != nil {
		t.Errorf("%s: %v", addr, err)
		return
	}
	defer ws.Close()
	time.Sleep(2500 * time.Millisecond)
	var got string
	if websocket.Message.Send(ws, "still here"); websocket.Message.Receive(ws, &got) != nil || got != "still here" {
		t.Errorf("%s: the tunnel ended: %q", addr, got)
	}
}

// same wants exactly the processes that there were.
func (a *appd) same(t testing.TB, before map[int]who) {
	t.Helper()
	for _, w := range a.status(t).Workers {
		if _, there := before[w.PID]; !there {
			t.Errorf("worker %d is new: somebody died", w.PID)
		}
	}
	if d := a.status(t).Deaths; len(d) > 0 {
		t.Errorf("deaths: %+v", d)
	}
}
