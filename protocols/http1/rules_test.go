package http1

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

const get = "GET / HTTP/1.1\r\nHost: a\r\n"

// refusals are heads and bodies that must not get through, with the status that
// answers them.
var refusals = []struct {
	name, in string
	status   int
}{
	// Where a body ends must never be in doubt.
	{"length and coding", get + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"coding and length", get + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", 400},
	{"coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"gzip, chunked", get + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
	{"gzip", get + "Transfer-Encoding: gzip\r\n\r\n", 501},
	{"identity", get + "Transfer-Encoding: identity\r\n\r\n", 501},
	{"unknown coding", get + "Transfer-Encoding: xchunked\r\n\r\n", 501},
	{"chunked twice", get + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
	{"chunked in two fields", get + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"gzip in a second field", get + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
	{"chunked not last", get + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
	{"empty coding", get + "Transfer-Encoding:\r\n\r\n", 400},
	{"quoted coding", get + "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
	{"coding with vertical tab", get + "Transfer-Encoding: \vchunked\r\n\r\n", 400},
	{"length list", get + "Content-Length: 5, 5\r\n\r\n", 400},
	{"length with sign", get + "Content-Length: +5\r\n\r\n", 400},
	{"negative length", get + "Content-Length: -5\r\n\r\n", 400},
	{"empty length", get + "Content-Length:\r\n\r\n", 400},
	{"hexadecimal length", get + "Content-Length: 0x5\r\n\r\n", 400},
	{"length with underscore", get + "Content-Length: 1_0\r\n\r\n", 400},
	{"length with a space", get + "Content-Length: 1 0\r\n\r\n", 400},
	{"huge length", get + "Content-Length: 99999999999999999999\r\n\r\n", 400},
	{"two equal lengths", get + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
	{"two lengths", get + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},

	// Fields.
	{"space before the colon", get + "X : y\r\n\r\n", 400},
	{"tab before the colon", get + "X\t: y\r\n\r\n", 400},
	{"empty name", get + ": y\r\n\r\n", 400},
	{"name with a space", get + "X Y: z\r\n\r\n", 400},
	{"name with a slash", get + "X/Y: z\r\n\r\n", 400},
	{"name above 0x7f", get + "X\xe9: z\r\n\r\n", 400},
	{"name with NUL", get + "X\x00: z\r\n\r\n", 400},
	{"no colon", get + "X\r\n\r\n", 400},
	{"folded field", get + "X: y\r\n z\r\n\r\n", 400},
	{"folded field, tab", get + "X: y\r\n\tz\r\n\r\n", 400},
	{"first field begins with a space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
	{"LF line end", "GET / HTTP/1.1\nHost: a\n\n", 400},
	{"LF field end", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
	{"LF LF at the end", get + "\n", 400},
	{"CR in a value", get + "X: a\rb\r\n\r\n", 400},
	{"CR CR LF", get + "X: a\r\r\n\r\n", 400},
	{"NUL in a value", get + "X: a\x00b\r\n\r\n", 400},
	{"control byte in a long value", get + "X: abcdefghijkl\x01mnopqrstuvwxyz\r\n\r\n", 400},
	{"DEL in a value", get + "X: abcdefghijk\x7f\r\n\r\n", 400},
	{"two hosts", get + "Host: b\r\n\r\n", 400},
	{"two equal hosts", get + "Host: a\r\n\r\n", 400},
	{"two content types", get + "Content-Type: a/b\r\nContent-Type: a/c\r\n\r\n", 400},
	{"no host in 1.1", "GET / HTTP/1.1\r\nX: y\r\n\r\n", 400},
	{"host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	{"host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
	{"host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	{"unknown expectation", get + "Expect: 200-ok\r\n\r\n", 417},

	// The request line.
	{"authority outside CONNECT", "GET host:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"star outside OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"relative target", "GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"path for CONNECT", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"foreign scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"absolute target without a host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"absolute target with a user", "GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"control byte in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"no version", "GET /\r\n\r\n", 400},
	{"trailing space", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
	{"method in small letters", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"method of two letters", "GO / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"method of 21 letters", "ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two empty lines first", "\r\n\r\n" + get + "\r\n", 400},
	{"HTTP/0.9", "GET / HTTP/0.9\r\n\r\n", 505},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
	{"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", 505},
	{"version in small letters", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
	{"version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
	{"TLS", "\x16\x03\x01\x02\x00", 400},

	// Limits.
	{"long request line", "GET /" + strings.Repeat("a", 4094) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
	{"request line that never ends", "GET /" + strings.Repeat("a", 5000), 414},
	{"too many fields", get + strings.Repeat("X: y\r\n", 100) + "\r\n", 431},
	{"long field", get + "X: " + strings.Repeat("a", 8190) + "\r\n\r\n", 431},
	{"field that never ends", get + "X: " + strings.Repeat("a", 9000), 431},

	// Chunks.
	{"chunk size 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400},
	{"chunk size with underscore", chunked("1_0\r\n"), 400},
	{"negative chunk size", chunked("-1\r\n"), 400},
	{"chunk size with a sign", chunked("+5\r\nhello\r\n0\r\n\r\n"), 400},
	{"huge chunk size", chunked("10000000000000000\r\n"), 400},
	{"empty chunk size", chunked("\r\n"), 400},
	{"space before the chunk size", chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400},
	{"space behind the chunk size", chunked("5 \r\nhello\r\n0\r\n\r\n"), 400},
	{"chunk size ends with LF", chunked("5\nhello\r\n0\r\n\r\n"), 400},
	{"bare CR in an extension", chunked("5;a=\rb\r\nhello\r\n0\r\n\r\n"), 400},
	{"bare LF in an extension", chunked("5;a\nhello\r\n0\r\n\r\n"), 400},
	{"long extension", chunked("5;" + strings.Repeat("a", 300)), 400},
	{"space before an extension", chunked("5 ;x\r\nhello\r\n0\r\n\r\n"), 400},
	{"chunk that is too long", chunked("5\r\nhello!\r\n0\r\n\r\n"), 400},
	{"chunk without CR", chunked("5\r\nhello\n0\r\n\r\n"), 400},
	{"chunk with CR alone", chunked("5\r\nhello\rX0\r\n\r\n"), 400},
	{"end with LF alone", chunked("0\r\n\n"), 400},
	{"trailer Host", chunked("0\r\nHost: b\r\n\r\n"), 400},
	{"trailer Content-Length", chunked("0\r\nContent-Length: 5\r\n\r\n"), 400},
	{"trailer Transfer-Encoding", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
	{"trailer Trailer", chunked("0\r\nTrailer: a\r\n\r\n"), 400},
	{"trailer Authorization", chunked("0\r\nAuthorization: a\r\n\r\n"), 400},
	{"trailer with a space before the colon", chunked("0\r\nX : a\r\n\r\n"), 400},
	{"folded trailer", chunked("0\r\nX: a\r\n b\r\n\r\n"), 400},
	{"trailer ends with LF", chunked("0\r\nX: a\n\r\n"), 400},
	{"trailer without end", chunked("0\r\nX: " + strings.Repeat("a", 9000)), 400},
}

func chunked(body string) string {
	return "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
}

func TestRefusals(t *testing.T) {
	for _, tt := range refusals {
		for _, size := range []int{whole, 1, 7} {
			r, c, err := serve(t, plainConfig, netip.AddrPort{}, tt.in, size)
			fault, is := errors.AsType[*cgi.Error](err)
			if !is || fault.Status != tt.status {
				t.Errorf("%s, pieces of %d: %v (%+v), want status %d", tt.name, size, err, fault, tt.status)
				continue
			}
			if want := fmt.Sprintf("HTTP/1.1 %d ", tt.status); !strings.HasPrefix(r.reply, want) ||
				!strings.Contains(r.reply, "\r\nConnection: close\r\n") {
				t.Errorf("%s, pieces of %d: the reply is %q", tt.name, size, r.reply)
			}
			if c.KeepAlive() {
				t.Errorf("%s: the connection stays open", tt.name)
			}
		}
	}
}

// What is said about a refusal goes to a log, which is no place for secrets.
func TestRefusalsKeepSecrets(t *testing.T) {
	for _, in := range []string{
		"Authorization : Basic c2VjcmV0\r\n", "Cookie: a\r\n c2VjcmV0\r\n", "Cookie: c2VjcmV0\x01\r\n", "c2VjcmV0\r\n",
		"Host: c2VjcmV0/\r\n", "Content-Length: c2VjcmV0\r\n", "Transfer-Encoding: c2VjcmV0\r\n",
	} {
		_, _, err := serve(t, plainConfig, netip.AddrPort{}, "GET / HTTP/1.1\r\n"+in+"\r\n", whole)
		if err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%q: %v", in, err)
		}
	}
}
