package chunks

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// read decodes wire, which comes in two pieces, and returns the data and what is wrong.
func read(wire []byte, cut int) (data []byte, done bool, text string) {
	var r Reader
	for _, p := range [][]byte{wire[:cut], wire[cut:]} {
		for len(p) > 0 && !r.Done() {
			n := int(min(r.Left(), int64(len(p))))
			if n > 0 {
				data = append(data, p[:n]...)
				r.Took(n)
			} else if n, text = r.Scan(p); text != "" {
				return data, false, text
			}
			p = p[n:]
		}
	}
	return data, r.Done(), ""
}

func TestReader(t *testing.T) {
	const hello = "5\r\nhello\r\n"
	for _, tc := range []struct{ wire, data, text string }{
		{hello + "0\r\n\r\n", "hello", ""},
		{"00005;a=b\r\nhello\r\n0;last\r\nSum: 1\r\n\r\n", "hello", ""},
		{"A\r\n0123456789\r\n" + hello + "0\r\n\r\n", "0123456789hello", ""},
		{"0x5\r\nhello\r\n", "", "not hexadecimal"},
		{"5 \r\nhello\r\n", "", "not hexadecimal"},
		{"+5\r\n", "", "without a size"},
		{"\r\n", "", "without a size"},
		{"5\nhello", "", "not hexadecimal"},
		{"5\r\rhello", "", "CR LF"},
		{"5\r\nhellox\r\n", "hello", "longer than its size"},
		{"5\r\nhello\rx", "hello", "CR LF"},
		{"1000000000000000\r\n", "", "too large"},
		{"5;" + strings.Repeat("e", 300) + "\r\n", "", "too long"},
		{"5;a\rb\r\n", "", "CR LF"},
		{hello + "0\r\nSum: 1\n\r\n", "hello", "LF alone"},
		{hello + "0\r\nSum : 1\r\n\r\n", "hello", "malformed"},
		{hello + "0\r\n: 1\r\n\r\n", "hello", "malformed"},
		{hello + "0\r\nSum: \x01\r\n\r\n", "hello", "malformed"},
		{hello + "0\r\nhost: x\r\n\r\n", "hello", "Host in the trailer"},
		{hello + "0\r\n" + strings.Repeat("A: b\r\n", 2000), "hello", "too long"},
	} {
		for cut := range min(len(tc.wire), 400) {
			data, done, text := read([]byte(tc.wire), cut)
			if string(data) != tc.data || done != (tc.text == "") || !strings.Contains(text, tc.text) {
				t.Fatalf("%.60q, cut at %d: %q, done %v, %q; want %q, %q", tc.wire, cut, data, done, text, tc.data, tc.text)
			}
		}
	}
}

// FuzzReader holds what is accepted against Go's own reader, which is more patient, and
// against the same bytes in two pieces and encoded again.
func FuzzReader(f *testing.F) {
	f.Add([]byte("5;x=y\r\nhello\r\n0\r\nSum: 1\r\n\r\n"), 3)
	f.Add([]byte("0A\r\n0123456789\r\nf\r\n"), 8)
	f.Fuzz(func(t *testing.T, wire []byte, cut int) {
		data, done, text := read(wire, 0)
		data2, done2, text2 := read(wire, max(0, min(cut, len(wire))))
		if !bytes.Equal(data, data2) || done != done2 || text != text2 {
			t.Fatalf("cut at %d: %q, %v, %q; whole: %q, %v, %q", cut, data2, done2, text2, data, done, text)
		}
		if !done {
			return
		}
		again := fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(data), data)
		if len(data) == 0 {
			again = []byte("0\r\n\r\n")
		}
		if data3, done3, text3 := read(again, 0); !bytes.Equal(data, data3) || !done3 {
			t.Fatalf("encoded again: %q, %v, %q; want %q", data3, done3, text3, data)
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(wire)))
		if err != nil && strings.Contains(err.Error(), "too much non-data") {
			return
		}
		if err != nil || !bytes.Equal(theirs, data) {
			t.Fatalf("net/http reads %q, %v; we read %q", theirs, err, data)
		}
	})
}
