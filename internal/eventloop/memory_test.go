// Bodies in the program's own memory: what was taken is the program's, the rest is
// given back.

//go:build linux

package eventloop

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/appd-server/appd/protocols/cgi"
)

// heap is memory that counts itself.
type heap struct {
	mu   sync.Mutex
	live map[*byte]int // room, by address
	most int           // room of one piece
}

func (h *heap) resize(p []byte, n int) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p != nil {
		if h.live[unsafe.SliceData(p)] != cap(p) {
			panic("memory that is not ours, or was given back")
		}
		delete(h.live, unsafe.SliceData(p))
	}
	if n == 0 {
		return nil
	}
	q := append(make([]byte, 0, n), p...)
	h.live[unsafe.SliceData(q)] = cap(q)
	h.most = max(h.most, cap(q))
	return q
}

func (h *heap) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.live)
}

func TestBodiesInMemoryOfTheProgram(t *testing.T) {
	h := &heap{live: map[*byte]int{}}
	r := start(t, cgi.HTTP, func(c *Config) {
		c.WholeBody, c.Memory, c.Settings.LimitBody = true, h.resize, 4*wholeBody
	}, nil)
	threads(t, r, 1, func(x *Exchange) {
		mem, file, size := x.Body()
		got := bytes.Clone(mem)
		if file != nil {
			got = make([]byte, size)
			io.ReadFull(file, got)
		}
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: size}, got, true)
		if mem != nil {
			h.resize(mem, 0)
		}
	})
	body := bytes.Repeat([]byte("0123456789abcdef"), wholeBody/8)
	post := func(head string, send []byte) int {
		c := r.dial(t)
		go func() {
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n", head)
			c.Write(send)
			c.CloseWrite()
		}()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: %v", head, err)
			return 0
		}
		got, err := io.ReadAll(res.Body)
		if res.StatusCode == 200 && (err != nil || !bytes.Equal(got, body[:len(got)])) {
			t.Errorf("%s: got %d bytes, %v", head, len(got), err)
		}
		return res.StatusCode
	}
	for _, n := range []int{0, 1, 5000, first - 1, first + 1, 5 * first, wholeBody, wholeBody + 1} {
		if status := post(fmt.Sprint("Content-Length: ", n), body[:n]); status != 200 {
			t.Errorf("%d bytes: %d", n, status)
		}
		chunk := fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", max(n, 1), body[:max(n, 1)])
		if status := post("Transfer-Encoding: chunked", chunk); status != 200 {
			t.Errorf("%d bytes in chunks: %d", n, status)
		}
	}
	if status := post("Content-Length: 1000000", body[:300_000]); status != 400 {
		t.Errorf("a body that was cut short: %d", status)
	}
	if status := post("Content-Length: 99999999", nil); status != 413 {
		t.Errorf("a body that is too large: %d", status)
	}
	for end := time.Now().Add(patience); h.size() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d pieces of memory were not given back", h.size())
		}
	}
	if h.most > wholeBody {
		t.Errorf("%d bytes for one body", h.most)
	}
}

// A length that is only announced is worth no memory.
func TestAnnouncedBodies(t *testing.T) {
	h := &heap{live: map[*byte]int{}}
	s := store{memory: h.resize, expect: wholeBody}
	if err := s.keep([]byte("a"), wholeBody, ""); err != nil || cap(s.mem) > first {
		t.Errorf("%d bytes of room for one, %v", cap(s.mem), err)
	}
	s.free()
	s.memory = func([]byte, int) []byte { return nil }
	if err := s.keep([]byte("a"), wholeBody, ""); err == nil {
		t.Error("no memory, and no error")
	}
}
