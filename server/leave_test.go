//go:build linux

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// crowd is a number of fronts that post to one listener, and what became of it.
type crowd struct {
	t       *testing.T
	network string
	address string
	door    sync.RWMutex // held by who connects
	over    atomic.Bool  // nobody will serve the next connection

	clients sync.WaitGroup
	mu      sync.Mutex
	seen    map[string]int // how often each request was handled
	posts   int            // answered
}

// ServeHTTP answers with the length of the body, and counts.
func (k *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		k.t.Errorf("reading %s: %v", r.URL.Path, err)
	}
	k.mu.Lock()
	k.seen[r.URL.Path]++
	k.mu.Unlock()
	fmt.Fprintf(w, "%s %d", r.URL.Path, n)
}

// worker serves the listener as one of the two in a reload.
func (k *crowd) worker(l net.Listener, pass func(fd, listener int, p cgi.Protocol) bool) *instance {
	s := &Server{Handler: k, ErrorLog: log.New(failing{k.t}, "", 0)}
	n, err := newInstance(s, s.settings(), eventloop.Config{PassIdle: pass, Siblings: 1})
	if err != nil {
		k.t.Fatal(err)
	}
	fd, err := handoff.Duplicate(l.(*net.UnixListener))
	if err != nil {
		k.t.Fatal(err)
	}
	_, err = n.loop.Listen(eventloop.Listener{FD: fd, Address: k.address, Rules: &rules{base: newRequestBase(fd, k.address)}})
	if err != nil {
		k.t.Fatal(err)
	}
	syscall.Close(fd)
	return n
}

// failing is a log in which no line is expected.
type failing struct{ t *testing.T }

func (f failing) Write(p []byte) (int, error) {
	f.t.Errorf("logged: %s", p)
	return len(p), nil
}

// front posts on one connection after the other, or on the same, in random pieces.
func (k *crowd) front(name, protocol string, keep bool, rounds int, seed uint64) {
	defer k.clients.Done()
	r := rand.New(rand.NewPCG(seed, 1))
	var c *link
	var in *bufio.Reader
	for i := range rounds {
		if c == nil {
			if c = k.dial(); c == nil {
				return
			}
			in = bufio.NewReader(c)
		}
		a := ask{method: "POST", path: fmt.Sprintf("/%s/%d", name, i), keep: keep, body: strings.Repeat("x", 1+r.IntN(40_000))}
		closing, err := k.post(c, in, protocol, &a, r)
		if err != nil && k.over.Load() && c.overslept() {
			break
		}
		if err != nil {
			k.t.Errorf("%s: %v (last chance: %v)", a.path, err, k.over.Load())
			break
		}
		if !keep || closing || k.over.Load() && k.ends(c, in, a.path) {
			c.Close()
			c = nil
		}
	}
	if c != nil {
		c.Close()
	}
}

// dial connects, unless nobody would accept any more.
func (k *crowd) dial() *link {
	k.door.RLock()
	defer k.door.RUnlock()
	if k.over.Load() {
		return nil
	}
	c, err := net.Dial(k.network, k.address)
	if err != nil {
		k.t.Error(err)
		return nil
	}
	c.SetDeadline(time.Now().Add(2 * patience))
	l := &link{UnixConn: c.(*net.UnixConn)}
	l.last.Store(handoff.Now())
	return l
}

// link is a front's connection that knows how long its front was silent.
type link struct {
	*net.UnixConn
	last    atomic.Int64
	silence atomic.Int64 // the longest
}

// Write notes how long nothing was sent or received before.
func (c *link) Write(p []byte) (int, error) {
	c.silence.Store(max(c.silence.Load(), handoff.Now()-c.last.Load()))
	n, err := c.UnixConn.Write(p)
	c.last.Store(handoff.Now())
	return n, err
}

// Read implements io.Reader.
func (c *link) Read(p []byte) (int, error) {
	n, err := c.UnixConn.Read(p)
	c.last.Store(handoff.Now())
	return n, err
}

// overslept says that a server that leaves had the right to end the connection: it
// waits a second for a front that says nothing, and this one had to wait for the
// machine that long.
func (c *link) overslept() bool { return c.silence.Load() > int64(time.Second/2) }

// shut has no more fronts connect.
func (k *crowd) shut() {
	k.door.Lock()
	k.over.Store(true)
	k.door.Unlock()
}

// post sends a in pieces and reads its answer.
func (k *crowd) post(c net.Conn, in *bufio.Reader, protocol string, a *ask, r *rand.Rand) (closing bool, err error) {
	wire := a.wire(protocol)
	for len(wire) > 0 {
		n := 1 + r.IntN(len(wire))
		if _, err := c.Write(wire[:n]); err != nil {
			return false, fmt.Errorf("sending: %w", err)
		}
		wire = wire[n:]
	}
	got, err := receiveAnswer(protocol, in, a)
	if err != nil {
		return false, err
	}
	if want := fmt.Sprintf("%s %d", a.path, len(a.body)); got.status != 200 || got.body != want || !got.complete {
		return false, fmt.Errorf("got %+v, want %q", got, want)
	}
	k.mu.Lock()
	k.posts++
	k.mu.Unlock()
	return got.header.Get("Connection") == "close", nil
}

// ends waits for the end of a connection that was kept when its worker left: it
// comes without a byte, after the answer or after a moment of silence.
func (k *crowd) ends(c net.Conn, in *bufio.Reader, path string) bool {
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		k.t.Errorf("%s: after the last answer: %v", path, err)
	}
	return true
}

// check sees that every request was handled once.
func (k *crowd) check() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for path, n := range k.seen {
		if n != 1 {
			k.t.Errorf("%s was handled %d times", path, n)
		}
	}
	if len(k.seen) != k.posts {
		k.t.Errorf("%d requests were handled, %d answered", len(k.seen), k.posts)
	}
}

// start begins to post over all protocols.
func (k *crowd) start(rounds int, seed uint64) {
	for i := range 2 {
		for _, p := range protocolsToTest {
			k.clients.Add(1)
			go k.front(fmt.Sprintf("%s%d", p, i), p, p != "uwsgi", rounds, seed+uint64(i))
		}
	}
}

func newCrowd(t *testing.T) (*crowd, net.Listener) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &crowd{t: t, network: "unix", address: l.Addr().String(), seen: map[string]int{}}, l
}

// A worker that leaves while a successor serves loses no request, not even one that
// is being written to a kept connection.
func TestLeavingWithASuccessor(t *testing.T) {
	for try := range uint64(tries()) {
		k, l := newCrowd(t)
		next := k.worker(l, nil)
		var moved atomic.Int64
		old := k.worker(l, func(fd, listener int, p cgi.Protocol) bool {
			moved.Add(1)
			if err := next.loop.Adopt(fd, listener, p, false); err != nil {
				t.Error(err)
			}
			return true
		})
		mustStart(t, old)
		k.start(30, try)
		k.answered(int(try) * 7 % 90)
		mustStart(t, next)
		mustLeave(t, old, eventloop.DrainOptions{Pass: true})
		k.clients.Wait()
		next.close()
		k.check()
		if want := 30 * 6; k.posts != want && !t.Failed() {
			t.Errorf("%d posts were answered, want %d", k.posts, want)
		}
		if t.Failed() {
			t.Fatalf("try %d, %d connections moved", try, moved.Load())
		}
	}
}

// Without a successor a kept connection gets an end, but only between two requests.
func TestLeavingAlone(t *testing.T) {
	for try := range uint64(tries() / 5) { // each takes the second that idle connections have
		k, l := newCrowd(t)
		old := k.worker(l, nil)
		mustStart(t, old)
		k.start(1000, try)
		k.answered(int(try) * 7 % 90)
		k.shut()
		mustLeave(t, old, eventloop.DrainOptions{Queue: true})
		k.clients.Wait()
		k.check()
		if t.Failed() {
			t.Fatalf("try %d", try)
		}
	}
}

// answered waits until so many requests were answered.
func (k *crowd) answered(n int) {
	for enough := false; !enough; time.Sleep(50 * time.Microsecond) {
		k.mu.Lock()
		enough = k.posts >= n || k.t.Failed()
		k.mu.Unlock()
	}
}

func tries() int {
	if testing.Short() {
		return 10
	}
	return 40
}

func mustStart(t *testing.T, n *instance) {
	t.Helper()
	if err := n.loop.Start(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.close() })
}

func mustLeave(t *testing.T, n *instance, o eventloop.DrainOptions) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.leave(ctx, o); err != nil {
		t.Errorf("leaving: %v; %+v", err, n.loop.Stats())
	}
}
