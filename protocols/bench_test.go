package protocols

import (
	"bufio"
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/http1"
)

func BenchmarkNewRequestFastCGI(b *testing.B) {
	h := nginxHead()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewRequest(context.Background(), h, cgi.Mount{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEnvironFastCGI(b *testing.B) {
	h := nginxHead()
	var dst cgi.Vars
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = h.Environ(dst[:0], cgi.Mount{})
	}
}

const browserGet = "GET /shop/items?page=2 HTTP/1.1\r\n" +
	"Host: shop.example\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"\r\n"

// headSink keeps the last head.
type headSink struct{ head *cgi.Head }

func (s *headSink) Head(_ uint16, h *cgi.Head)  { s.head = h }
func (s *headSink) Body(_ uint16, p []byte) int { return len(p) }
func (s *headSink) End(uint16)                  {}
func (s *headSink) Abort(uint16, error)         {}
func (s *headSink) Reply([]byte)                {}
func (s *headSink) Note(string)                 {}

// BenchmarkHTTPRequest is a kept GET from its bytes to the *http.Request and back.
func BenchmarkHTTPRequest(b *testing.B) {
	c, s := http1.NewCodec(&http1.Config{}, netip.AddrPort{}, netip.AddrPort{}), &headSink{}
	in, out, body := []byte(browserGet), make([]byte, 0, 1024), []byte("hello world\n")
	answer := &cgi.AnswerHead{Status: 200, ContentLength: int64(len(body))}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Feed(in, s); err != nil {
			b.Fatal(err)
		}
		if _, err := NewRequest(context.Background(), s.head, cgi.Mount{}); err != nil {
			b.Fatal(err)
		}
		out = c.AppendAnswer(out[:0], 1, answer, body, true)
	}
}

func BenchmarkNetHTTPRequest(b *testing.B) {
	in := strings.NewReader(browserGet)
	r := bufio.NewReader(in)
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(browserGet)
		r.Reset(in)
		if _, err := http.ReadRequest(r); err != nil {
			b.Fatal(err)
		}
	}
}
