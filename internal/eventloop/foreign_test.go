//go:build linux

package eventloop

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// threads drives a loop the way foreign threads do, until the test ends.
func threads(t *testing.T, r *rig, n int, serve func(*Exchange)) {
	var wg sync.WaitGroup
	var over atomic.Bool
	for range n {
		wg.Go(func() {
			events := make([]syscall.EpollEvent, 1)
			for !over.Load() {
				x := r.Next()
				if x == nil {
					x = harvest(r, events, 20)
				}
				if x != nil {
					serve(x)
				}
			}
		})
	}
	t.Cleanup(func() { over.Store(true); wg.Wait() })
}

// harvest looks for events, and waits for them only after it has said so.
func harvest(r *rig, events []syscall.EpollEvent, milliseconds int) *Exchange {
	k, err := syscall.EpollWait(r.EpollFD(), events, 0)
	if k <= 0 || err != nil {
		if x := r.Turn(nil); x != nil {
			return x
		}
		if k, err = syscall.EpollWait(r.EpollFD(), events, milliseconds); k <= 0 || err != nil {
			return nil
		}
	}
	return r.Turn(events[:k])
}

// wholeEcho answers with the body, which is there.
func wholeEcho(x *Exchange) {
	mem, file, size := x.Body()
	p := make([]byte, size)
	if copy(p, mem); file != nil {
		io.ReadFull(file, p)
	}
	x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: size}, p, true)
}

func TestForeignThreads(t *testing.T) {
	for _, n := range []int{1, 4} {
		r := start(t, cgi.Auto, func(c *Config) { c.WholeBody = true }, nil)
		threads(t, r, n, wholeEcho)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				client := r.client()
				defer client.CloseIdleConnections()
				for _, size := range []int{0, 10, 100_000, wholeBody, wholeBody + 1, 5 << 20} {
					body := strings.Repeat("x", size)
					res, err := client.Post("http://x/", "text/plain", strings.NewReader(body))
					if err != nil {
						t.Errorf("%d bytes: %v", size, err)
						return
					}
					got, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || string(got) != body {
						t.Errorf("%d threads, %d bytes: got %d, %v", n, size, len(got), err)
					}
				}
			})
		}
		wg.Wait()
	}
}

// What the loop answers by itself never reaches a thread.
func TestForeignRefusals(t *testing.T) {
	r := start(t, cgi.HTTP, func(c *Config) { c.WholeBody = true; c.Settings.LimitBody = 10 }, nil)
	threads(t, r, 1, func(x *Exchange) { t.Error("handed out"); wholeEcho(x) })
	for request, want := range map[string]int{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world":                           413,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n": 413,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf":                                  400,
	} {
		c := r.dial(t)
		io.WriteString(c, request)
		c.CloseWrite()
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != want {
			t.Errorf("%.60q: %v, %v, want %d", request, res, err, want)
		}
	}
}

// The mover sees hang-ups and gathers bodies while every thread is busy.
func TestMover(t *testing.T) {
	r := start(t, cgi.HTTP, func(c *Config) { c.WholeBody = true }, nil)
	events := make([]syscall.EpollEvent, 1)
	gone := r.dial(t)
	io.WriteString(gone, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	x := harvest(r, events, 10_000)
	for x == nil {
		x = harvest(r, events, 10_000)
	}
	half := r.dial(t)
	io.WriteString(half, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	if harvest(r, events, 10_000) != nil {
		t.Fatal("half a request was handed out")
	}
	gone.Close()
	io.WriteString(half, " whole")
	for range 100 {
		if r.Move(50); x.Err() != nil && r.Queued() == 1 {
			break
		}
	}
	if x.Err() == nil || r.Queued() != 1 {
		t.Fatalf("hang-up seen: %v, %d complete", x.Err(), r.Queued())
	}
	if _, err := x.Answer(&cgi.AnswerHead{Status: 200}, nil, true); err == nil {
		t.Error("answering a peer that is gone succeeds")
	}
	wholeEcho(r.Next())
	if res, err := http.ReadResponse(bufio.NewReader(half), nil); err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %v", res, err)
	}
}

// A worker of foreign threads that has enough to do leaves the next connections to
// its siblings for a moment, and takes them if nobody does.
func TestForeignStandsAside(t *testing.T) {
	r := start(t, cgi.HTTP, func(c *Config) { c.WholeBody, c.Siblings = true, 1 }, nil)
	const clients = 12
	for range clients {
		io.WriteString(r.dial(t), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	ls := r.listeners[0]
	accepts := func() bool {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		return ls.attached
	}
	var taken []*Exchange
	events := make([]syscall.EpollEvent, 1)
	take := func() {
		if x := harvest(r, events, 10_000); x != nil {
			taken = append(taken, x)
		}
	}
	r.life.Lock() // nobody comes back meanwhile
	for len(taken) < clients && accepts() {
		take()
	}
	r.life.Unlock()
	if len(taken) == clients {
		t.Fatalf("the worker took all %d connections in a row", clients)
	}
	for end := time.Now().Add(patience); len(taken) < clients; {
		if take(); time.Now().After(end) {
			t.Fatalf("%d of %d requests came", len(taken), clients)
		}
	}
	for _, x := range taken {
		wholeEcho(x)
	}
}

// While every thread is busy, a kept connection's time runs out over a request that
// has come already: it is not closed for that.
func TestKeepAliveSparesWhatHasCome(t *testing.T) {
	r := start(t, cgi.HTTP, func(c *Config) {
		c.WholeBody = true
		c.Settings.KeepAlive = handoff.Duration(100 * time.Millisecond)
	}, nil)
	events := make([]syscall.EpollEvent, 1)
	c := r.dial(t)
	answers := bufio.NewReader(c)
	for range 2 {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		sent := r.now()
		until(t, "the time is over", func() bool { return r.now()-sent > 3*int64(r.config.Settings.KeepAlive) })
		var x *Exchange
		until(t, "the request is served", func() bool { x = harvest(r, events, 20); return x != nil })
		wholeEcho(x)
		if res, err := http.ReadResponse(answers, nil); err != nil || res.StatusCode != 200 {
			t.Fatalf("the answer: %v, %v", res, err)
		}
	}
}

// A front that was told not to multiplex puts a request beside one that it has
// forgotten, because its client has left. Both are answered, whether another thread is
// free for the second or only the mover sees it come.
func TestForeignRequestBeside(t *testing.T) {
	for n := range 2 {
		r := start(t, cgi.FastCGI, func(c *Config) {
			c.WholeBody, c.Multiplex, c.Settings.Threads = true, false, n+1
		}, nil)
		events := make([]syscall.EpollEvent, 1)
		next := func() (x *Exchange) {
			until(t, "a request", func() bool { x = harvest(r, events, 20); return x != nil })
			return x
		}
		f := newFront(r.dial(t))
		f.Write(slices.Concat(begin(1, "/forgotten", 9), body(1, "forgotten")))
		forgotten := next()
		f.Write(slices.Concat(begin(3, "/", 4), body(3, "next")))
		if n == 0 {
			until(t, "the mover has seen it", func() bool { r.Move(20); return r.Queued() == 1 })
		}
		wholeEcho(next())
		if out := f.until(t, 3); !strings.HasSuffix(out, "next") {
			t.Errorf("request 3: %q", out)
		}
		wholeEcho(forgotten)
		if out := f.until(t, 1); !strings.HasSuffix(out, "forgotten") {
			t.Errorf("request 1: %q", out)
		}
	}
}

// What is intercepted never reaches a thread, so nobody says that he has finished with
// it: it is counted when its answer ends, at once, later, or with its client.
func TestInterceptedEnds(t *testing.T) {
	for _, hold := range []bool{false, true} {
		later := make(chan *Exchange, 1)
		r := start(t, cgi.HTTP, func(c *Config) {
			c.WholeBody, c.Hold = true, hold
			c.Intercept = func(x *Exchange) bool {
				if x.Head.Target == "/at-once" {
					x.Answer(&cgi.AnswerHead{Status: 204, NoBody: true}, nil, true)
					return true
				}
				x.OnAbort(func(error) { x.Answer(nil, nil, true) })
				later <- x
				return true
			}
		}, nil)
		threads(t, r, 1, func(x *Exchange) { t.Error("handed out"); wholeEcho(x) })
		ask := func(target string) *net.UnixConn {
			c := r.dial(t)
			io.WriteString(c, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			return c
		}
		io.Copy(io.Discard, ask("/at-once"))
		c := ask("/left-by-the-client")
		x := <-later
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: cgi.UnknownLength}, []byte("x"), false)
		c.Close()
		c = ask("/later")
		x = <-later
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 0}, nil, true)
		io.Copy(io.Discard, c)
		until(t, "nothing in flight", func() bool { return r.Board().Gauge(handoff.Active) == 0 && r.Stats().Active == 0 })
		counters := r.Board().Counters()
		if n := counters.Served(); n != 3 {
			t.Errorf("hold %v: %d requests counted, want 3", hold, n)
		}
	}
}

// A front has gone when the codec replies to it; the request behind what it replied to
// ends with the connection.
func TestForeignGoneAtAReply(t *testing.T) {
	r := start(t, cgi.FastCGI, func(c *Config) { c.WholeBody = true }, nil)
	c := r.dial(t)
	c.Write(slices.Concat(record(9, 0, "\x0f\x00FCGI_MPXS_CONNS"), begin(1, "/", 10)))
	c.Close()
	events := make([]syscall.EpollEvent, 1)
	until(t, "the connection came and went", func() bool {
		if harvest(r, events, 20) != nil {
			t.Error("handed out")
		}
		return r.Board().Counters().Events[handoff.Accepted] == 1 && r.Stats().Connections == 0
	})
}
