//go:build linux

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// chaos is a crowd of fronts of every kind and every manner at one server.
type chaos struct {
	*crowd
	st    *site
	names atomic.Int64
}

// mess is one thing that a front may do on a connection.
type mess func(k *chaos, c *link, protocol string, r *rand.Rand) error

var messes = []mess{
	(*chaos).plain, (*chaos).plain, (*chaos).kept, (*chaos).pipelined, (*chaos).interleaved, (*chaos).cutOff,
	(*chaos).halfClosed, (*chaos).unread, (*chaos).tunnelled, (*chaos).junk, (*chaos).thrownAway,
}

// TestChaos mixes what fronts do, right and wrong, while the server begins to leave.
// Every request that was sent completely is answered once, and nothing is left.
func TestChaos(t *testing.T) {
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) { chaosRound(t, uint64(round)) })
	}
}

func chaosRound(t *testing.T, seed uint64) {
	k := &chaos{crowd: &crowd{t: t, seen: map[string]int{}}}
	k.st = serve(t, &Server{}, k.handle)
	k.network, k.address = k.st.network, k.st.address
	const fronts, each = 8, 40
	for i := range fronts {
		k.clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range each {
				k.one(r)
			}
		})
	}
	left := make(chan struct{})
	go func() { // in the middle of it
		defer close(left)
		k.answered(fronts * each / 2)
		k.shut()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := k.st.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
	}()
	k.clients.Wait()
	<-left
	k.mu.Lock()
	defer k.mu.Unlock()
	for path, n := range k.seen {
		if n != 1 {
			t.Errorf("%s was handled %d times", path, n)
		}
	}
}

// one does one thing on a connection of its own.
func (k *chaos) one(r *rand.Rand) {
	c := k.dial()
	if c == nil {
		return
	}
	defer c.Close()
	protocol := protocolsToTest[r.IntN(len(protocolsToTest))]
	i := r.IntN(len(messes))
	if err := messes[i](k, c, protocol, r); err != nil && !(k.over.Load() && c.overslept()) {
		k.t.Errorf("%s, mess %d: %v", protocol, i, err)
	}
}

// handle answers in one of many manners, named by the path.
func (k *chaos) handle(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.seen[r.URL.Path]++
	k.mu.Unlock()
	switch manner, _, _ := strings.Cut(r.URL.Path[1:], "/"); manner {
	case "early":
	case "both":
		go io.Copy(io.Discard, r.Body)
	case "panic":
		panic(http.ErrAbortHandler)
	case "tunnel":
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		line, _ := rw.ReadString('\n')
		io.WriteString(rw, line)
		rw.Flush()
		return
	case "big":
		for range 20 {
			if _, err := w.Write(make([]byte, 20_000)); err != nil {
				return
			}
		}
		return
	default:
		io.Copy(io.Discard, r.Body)
		if len(manner)%2 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	io.WriteString(w, r.URL.Path)
}

// ask makes a request that nobody else makes.
func (k *chaos) ask(r *rand.Rand, keep bool) *ask {
	manner := []string{"read", "later", "early", "both"}[r.IntN(4)]
	a := &ask{method: "POST", path: fmt.Sprintf("/%s/%d", manner, k.names.Add(1)), keep: keep}
	a.body = strings.Repeat("x", r.IntN(3)*r.IntN(60_000))
	return a
}

// send writes p in random pieces.
func send(c net.Conn, r *rand.Rand, p []byte) error {
	for len(p) > 0 {
		n := 1 + r.IntN(len(p))
		if _, err := c.Write(p[:n]); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		p = p[n:]
	}
	return nil
}

// expect reads the answer to a.
func (k *chaos) expect(in *bufio.Reader, protocol string, a *ask) (answer, error) {
	got, err := receiveAnswer(protocol, in, a)
	if err != nil {
		return got, fmt.Errorf("%s with %d bytes: %w", a.path, len(a.body), err)
	}
	if got.status != 200 || got.body != a.path || !got.complete {
		return got, fmt.Errorf("%s: got %+v", a.path, got)
	}
	k.mu.Lock()
	k.posts++
	k.mu.Unlock()
	return got, nil
}

func (k *chaos) plain(c *link, protocol string, r *rand.Rand) error {
	a := k.ask(r, false)
	if err := send(c, r, a.wire(protocol)); err != nil {
		return err
	}
	_, err := k.expect(bufio.NewReader(c), protocol, a)
	return err
}

// kept sends several requests one after the other.
func (k *chaos) kept(c *link, protocol string, r *rand.Rand) error {
	if protocol == "uwsgi" {
		return k.plain(c, protocol, r)
	}
	in := bufio.NewReader(c)
	for i := range 4 {
		over := k.over.Load()
		a := k.ask(r, true)
		if i > 0 && over {
			return nil // whether it still may is what TestLeavingAlone tells
		}
		err := send(c, r, a.wire(protocol))
		if err == nil {
			_, err = k.expect(in, protocol, a)
		}
		if err != nil && i > 0 && k.over.Load() {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pipelined sends several requests at once.
func (k *chaos) pipelined(c *link, _ string, r *rand.Rand) error {
	var asks []*ask
	var wire []byte
	for i := range 4 {
		a := k.ask(r, i < 3)
		a.path = strings.Replace(a.path, "/both/", "/read/", 1)
		asks = append(asks, a)
		wire = append(wire, a.wire("http")...)
	}
	go send(c, r, wire)
	in := bufio.NewReader(c)
	for i, a := range asks {
		got, err := k.expect(in, "http", a)
		if err != nil && i > 0 && k.over.Load() {
			return nil
		}
		if err != nil {
			return err
		}
		if got.header.Get("Connection") == "close" {
			return nil
		}
	}
	return nil
}

// interleaved has several FastCGI requests share the connection, one of them aborted.
func (k *chaos) interleaved(c *link, _ string, r *rand.Rand) error {
	const together = 6
	asks := map[uint16]*ask{}
	var streams [][][]byte
	for i := range uint16(together) {
		a := k.ask(r, true)
		a.id = 2*i + 1
		asks[a.id] = a
		parts := [][]byte{a.head("fastcgi")}
		for rest := []byte(a.body); len(rest) > 0; {
			n := min(len(rest), 1+r.IntN(20_000))
			parts = append(parts, a.piece("fastcgi", rest[:n]))
			rest = rest[n:]
		}
		streams = append(streams, append(parts, a.piece("fastcgi", nil)))
	}
	var wire []byte
	for left := together; left > 0; {
		i := r.IntN(together)
		if len(streams[i]) == 0 {
			continue
		}
		wire = append(wire, streams[i][0]...)
		if streams[i] = streams[i][1:]; len(streams[i]) == 0 {
			left--
		}
	}
	wire = append(wire, record(2, 1, nil)...)
	go send(c, rand.New(rand.NewPCG(r.Uint64(), 0)), wire)
	in, bodies, ends := bufio.NewReader(c), map[uint16]string{}, 0
	for ends < together {
		typ, id, content, err := readRecord(in)
		switch {
		case err != nil:
			return fmt.Errorf("after %d ends: %w", ends, err)
		case typ == 6:
			bodies[id] += string(content)
		case typ == 3:
			ends++
			if got, err := parseCGI([]byte(bodies[id])); id != 1 && (err != nil || got.body != asks[id].path) {
				return fmt.Errorf("request %d: %+v, %w", id, got, err)
			}
			delete(asks, id)
		}
	}
	if len(asks) > 0 {
		return fmt.Errorf("%d requests have no end", len(asks))
	}
	k.mu.Lock()
	k.posts++
	k.mu.Unlock()
	return nil
}

// cutOff goes away at any point.
func (k *chaos) cutOff(c *link, protocol string, r *rand.Rand) error {
	a := k.ask(r, r.IntN(2) == 0)
	wire := a.wire(protocol)
	c.Write(wire[:r.IntN(len(wire))])
	return nil
}

// halfClosed ends its side behind the request, as clients of uwsgi may.
func (k *chaos) halfClosed(c *link, protocol string, r *rand.Rand) error {
	a := k.ask(r, r.IntN(2) == 0)
	if err := send(c, r, a.wire(protocol)); err != nil {
		return err
	}
	c.CloseWrite()
	in := bufio.NewReader(c)
	if _, err := k.expect(in, protocol, a); err != nil {
		return err
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the answer: %w", err)
	}
	return nil
}

// unread takes a part of a large answer and goes away, or all of it slowly.
func (k *chaos) unread(c *link, protocol string, r *rand.Rand) error {
	a := k.ask(r, r.IntN(2) == 0)
	a.path, a.body = fmt.Sprintf("/big/%d", k.names.Add(1)), ""
	if err := send(c, r, a.wire(protocol)); err != nil {
		return err
	}
	if r.IntN(2) == 0 {
		_, err := io.CopyN(io.Discard, c, 100_000)
		return err
	}
	got, err := receiveAnswer(protocol, bufio.NewReaderSize(c, 1000), a)
	if err == nil && (len(got.body) != 400_000 || !got.complete) {
		err = fmt.Errorf("%d bytes, complete: %v", len(got.body), got.complete)
	}
	return err
}

// tunnelled upgrades and talks.
func (k *chaos) tunnelled(c *link, protocol string, r *rand.Rand) error {
	if protocol == "fastcgi" {
		protocol = "uwsgi"
	}
	a := &ask{method: "GET", path: fmt.Sprintf("/tunnel/%d", k.names.Add(1)), keep: true, header: map[string]string{"Upgrade": "x", "Connection": "Upgrade"}}
	if err := send(c, r, append(a.wire(protocol), "hello\n"...)); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 101 ") || !strings.HasSuffix(string(got), "\r\n\r\nhello\n") {
		return fmt.Errorf("%q, %w", got, err)
	}
	return nil
}

// junk sends what makes no sense, on its own or behind the beginning of a request.
func (k *chaos) junk(c *link, protocol string, r *rand.Rand) error {
	var p []byte
	if r.IntN(2) == 0 {
		a := k.ask(r, true)
		p = a.wire(protocol)
		p = p[:r.IntN(len(p))]
	}
	for range 1 + r.IntN(200) {
		p = append(p, byte(r.Uint32()))
	}
	c.Write(p)
	if r.IntN(2) == 0 {
		c.CloseWrite()
		io.Copy(io.Discard, c)
	}
	return nil
}

// thrownAway asks for an answer that is broken off.
func (k *chaos) thrownAway(c *link, protocol string, r *rand.Rand) error {
	a := k.ask(r, false)
	a.path = fmt.Sprintf("/panic/%d", k.names.Add(1))
	if err := send(c, r, a.wire(protocol)); err != nil {
		return err
	}
	if got, err := io.ReadAll(c); len(got) > 0 {
		return fmt.Errorf("got %q, %w", got, err)
	}
	return nil
}
