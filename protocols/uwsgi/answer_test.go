package uwsgi

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
)

func okHead(length int64) *cgi.AnswerHead {
	return &cgi.AnswerHead{Status: 200, Fields: []cgi.Var{{Name: "Content-Type", Value: "text/plain"}}, ContentLength: length}
}

// An answer says HTTP/1.1 whatever the client spoke, and ends the connection.
func TestAnswer(t *testing.T) {
	c := NewCodec(cgi.Limits{})
	if err := feedAll(c, &recorder{}, packet(0, "REQUEST_METHOD", "GET", "PATH_INFO", "/", "SERVER_PROTOCOL", "HTTP/2.0")); err != nil {
		t.Fatal(err)
	}
	got := string(c.AppendAnswer([]byte("x"), 1, okHead(5), []byte("he"), false))
	got += string(c.AppendAnswer(nil, 1, nil, []byte("llo"), true))
	if want := "xHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"; got != want {
		t.Errorf("answer\n got %q\nwant %q", got, want)
	}
	if c.KeepAlive() {
		t.Error("kept after its answer")
	}
	if got := c.AppendAnswer(nil, 1, okHead(0), nil, true); len(got) > 0 {
		t.Errorf("a second answer: %q", got)
	}
	if n, err := c.Feed([]byte("more"), &recorder{}); n != 4 || err != nil {
		t.Errorf("Feed after the answer = %d, %v; want 4, nil", n, err)
	}
	c.Reset()
	if !c.Idle() || !c.KeepAlive() {
		t.Error("Reset leaves something behind")
	}
}

func TestAppendAbort(t *testing.T) {
	c := NewCodec(cgi.Limits{})
	if out, closing := c.AppendAbort(nil, 1); len(out) != 0 || !closing || c.KeepAlive() {
		t.Errorf("AppendAbort = %q, %v; want nothing, true", out, closing)
	}
}

// Do gets its answer although nobody reads the body that it sends.
func TestDo(t *testing.T) {
	front, app := net.Pipe()
	defer front.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer app.Close()
		c := NewCodec(cgi.Limits{})
		buf := make([]byte, 4096)
		n, _ := app.Read(buf)
		c.Feed(buf[:n], &recorder{})
		app.Write(c.AppendAnswer(nil, 1, okHead(2), []byte("ok"), true))
	}()
	front.SetDeadline(time.Now().Add(10 * time.Second))
	vars := []cgi.Var{{Name: "REQUEST_METHOD", Value: "POST"}, {Name: "PATH_INFO", Value: "/"}, {Name: "CONTENT_LENGTH", Value: "1000000"}}
	a, err := Do(front, vars, make([]byte, 1_000_000))
	if err != nil || a.Head.Status != 200 || string(a.Body) != "ok" {
		t.Errorf("Do = %+v, %v", a, err)
	}
	<-done
	if _, err := Do(front, []cgi.Var{{Name: "X", Value: strings.Repeat("x", 65535)}}, nil); !errors.Is(err, ErrTooBig) {
		t.Errorf("65540 bytes of vars: %v, want %v", err, ErrTooBig)
	}
}

// What is no answer is an error.
func TestClientErrors(t *testing.T) {
	for _, says := range []string{
		"", "Status: 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b", "HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhe",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nh", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
	} {
		var c Client
		if err := c.Feed([]byte(says)); err != nil {
			t.Fatal(err)
		}
		if a, err := c.EOF(); err == nil {
			t.Errorf("%q is the answer %+v", says, a)
		}
	}
	c := Client{Limit: 3}
	if err := c.Feed([]byte("HTTP")); err == nil {
		t.Error("an answer beyond the limit is no error")
	}
}

// exchange returns a function that decodes nginx's GET and encodes an answer of 12
// bytes, as often as it is called.
func exchange(t testing.TB) func() {
	wire := golden.Load(t, "testdata/nginx-get.txtar")[0].Wire
	c := NewCodec(cgi.Limits{})
	buf := make([]byte, 0, 4096)
	h, body := okHead(12), []byte("hello, world")
	var sink cgi.Sink = golden.Discard{}
	return func() {
		if n, err := c.Feed(wire, sink); n != len(wire) || err != nil {
			t.Fatal(n, err)
		}
		buf = c.AppendAnswer(buf[:0], 1, h, body, true)
		c.Reset()
	}
}

// A request costs the copy of its vars and its head; the answer nothing.
func TestAllocs(t *testing.T) {
	if got := testing.AllocsPerRun(1000, exchange(t)); got > 2 {
		t.Errorf("%v allocations a request, want at most 2", got)
	}
}

func BenchmarkExchange(b *testing.B) {
	f := exchange(b)
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}
