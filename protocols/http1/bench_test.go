package http1

import (
	"bufio"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// browserGet is what nginx sends on a kept connection for a page that Firefox
// asked for.
const browserGet = "GET /shop/items?page=2 HTTP/1.1\r\n" +
	"Host: shop.example\r\n" +
	"X-Forwarded-For: 198.51.100.7\r\n" +
	"X-Forwarded-Proto: https\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Site: none\r\n" +
	"\r\n"

// nobody is a sink that only counts.
type nobody struct{ heads, ends int }

func (n *nobody) Head(uint16, *cgi.Head)      { n.heads++ }
func (n *nobody) Body(_ uint16, p []byte) int { return len(p) }
func (n *nobody) End(uint16)                  { n.ends++ }
func (n *nobody) Abort(uint16, error)         {}
func (n *nobody) Reply([]byte)                {}
func (n *nobody) Note(string)                 {}

var hello = &cgi.AnswerHead{
	Status: 200,
	Fields: []cgi.Var{
		{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		{Name: "Date", Value: "Sat, 21 Nov 2026 01:00:00 GMT"},
	},
	ContentLength: 12,
}

func trusting() *Config {
	t, err := NewTrust(nil, 1)
	if err != nil {
		panic(err)
	}
	return &Config{Trust: t}
}

func BenchmarkKeptGet(b *testing.B) {
	c, s, in := NewCodec(trusting(), netip.AddrPort{}, netip.AddrPort{}), &nobody{}, []byte(browserGet)
	out := make([]byte, 0, 4096)
	body := []byte("hello world\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Feed(in, s); err != nil {
			b.Fatal(err)
		}
		out = c.AppendAnswer(out[:0], requestID, hello, body, true)
	}
	if s.heads != s.ends || s.heads == 0 {
		b.Fatal(s)
	}
}

// BenchmarkNetHTTPRead is the part of net/http that does the same work as
// BenchmarkKeptGet, and builds the request besides.
func BenchmarkNetHTTPRead(b *testing.B) {
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

func BenchmarkChunkedUpload(b *testing.B) {
	c, s := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), &nobody{}
	in := []byte(chunked(strings.Repeat("4000\r\n"+strings.Repeat("x", 0x4000)+"\r\n", 16) + "0\r\n\r\n"))
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if n, err := c.Feed(in, s); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
		c.AppendAnswer(nil, requestID, ok(0), nil, true)
	}
}
