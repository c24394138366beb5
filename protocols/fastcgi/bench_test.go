package fastcgi

import (
	"testing"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
)

// exchange returns a function that decodes nginx's GET and encodes an answer of 12
// bytes, as often as it is called, on one connection.
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
	}
}

// A request costs the copy of its params and its head; the answer nothing.
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

func BenchmarkDecode(b *testing.B) {
	p := golden.Load(b, "testdata/nginx-get.txtar")[0]
	c := NewCodec(cgi.Limits{})
	b.ReportAllocs()
	for b.Loop() {
		c.Feed(p.Wire, golden.Discard{})
		c.AppendAbort(nil, 1)
	}
}

func BenchmarkEncode(b *testing.B) {
	buf := make([]byte, 0, 4096)
	h, body := okHead(12), []byte("hello, world")
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = appendHead(buf[:0], 1, h, body)
	}
}

// A body in the smallest records there are.
func BenchmarkOneByteRecords(b *testing.B) {
	c := NewCodec(cgi.Limits{})
	c.Feed(open(1, 1), golden.Discard{})
	wire := rec(typeStdin, 1, []byte("x"), 0)
	b.ReportAllocs()
	for b.Loop() {
		c.Feed(wire, golden.Discard{})
	}
}
