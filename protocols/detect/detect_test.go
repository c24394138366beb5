package detect

import (
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

var tests = []struct {
	name, in string
	want     Result
}{
	{"nothing", "", Result{More: true}},
	{"fastcgi begin", "\x01\x01\x00\x01", Result{Protocol: cgi.FastCGI}},
	{"fastcgi get values", "\x01\x09\x00\x00", Result{Protocol: cgi.FastCGI}},
	{"fastcgi one byte", "\x01", Result{More: true}},
	{"version 1, no record", "\x01\x0c", Result{Foreign: "an unknown protocol"}},
	{"uwsgi", "\x00\x10\x00\x00", Result{Protocol: cgi.UWSGI}},
	{"uwsgi modifier 30", "\x1e", Result{Protocol: cgi.UWSGI}},
	{"uwsgi modifier 22, not TLS", "\x16\x01\x00", Result{Protocol: cgi.UWSGI}},
	{"uwsgi ping", "\x64\x00", Result{Protocol: cgi.UWSGI}},
	{"uwsgi 48", "0\x10\x00", Result{Protocol: cgi.UWSGI}},
	{"uwsgi modifier that is a letter", "a\x10", Result{Protocol: cgi.UWSGI}},
	{"get", "G", Result{Protocol: cgi.HTTP}},
	{"small letters", "get / HTTP/1.1", Result{Protocol: cgi.HTTP}},
	{"small letter", "g", Result{More: true}},
	{"post", "PO", Result{Protocol: cgi.HTTP}},
	{"p", "P", Result{More: true}},
	{"propfind", "PROP", Result{Protocol: cgi.HTTP}},
	{"empty line first", "\r\nGET", Result{Protocol: cgi.HTTP}},
	{"proxy 1", "PROXY TCP4", Result{Protocol: cgi.HTTP, Preamble: true}},
	{"proxy 1 begun", "PROX", Result{More: true}},
	{"proxy 2", "\r\n\r\n\x00\r\nQUIT\n\x21", Result{Protocol: cgi.HTTP, Preamble: true}},
	{"proxy 2 begun", "\r\n\r\n\x00", Result{More: true}},
	{"http/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Result{Foreign: "HTTP/2"}},
	{"http/2 begun", "PRI * HT", Result{More: true}},
	{"a method PRI", "PRI /x HTTP/1.1", Result{Protocol: cgi.HTTP}},
	{"tls", "\x16\x03\x01\x02\x00\x01", Result{Foreign: "TLS"}},
	{"tls begun", "\x16\x03", Result{More: true}},
	{"ssl 2", "\x80\x2e\x01", Result{Foreign: "SSL 2"}},
	{"scgi", "70:CONTENT_LENGTH\x0027\x00", Result{Foreign: "SCGI"}},
	{"scgi begun", "70", Result{More: true}},
	{"digits for ever", "1234567890123", Result{Foreign: "an unknown protocol"}},
	{"ajp", "\x12\x34\x00\x01", Result{Foreign: "AJP"}},
	{"ssh", "SSH-2.0-OpenSSH_9.2\r\n", Result{Foreign: "SSH"}},
	{"search", "SEARCH / HTTP/1.1", Result{Protocol: cgi.HTTP}},
	{"redis", "*1\r\n", Result{Foreign: "an unknown protocol"}},
}

func TestDetect(t *testing.T) {
	for _, tt := range tests {
		if got := Detect([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: Detect(%q) = %+v, want %+v", tt.name, tt.in, got, tt.want)
		}
	}
}

// A shorter beginning of what is known says the same, or that it does not suffice.
func TestDetectSplit(t *testing.T) {
	for _, tt := range tests {
		if tt.want.More {
			continue
		}
		for n := range len(tt.in) {
			if got := Detect([]byte(tt.in[:n])); !got.More && got != tt.want {
				t.Errorf("%s: Detect(%q) = %+v, want %+v or more", tt.name, tt.in[:n], got, tt.want)
			}
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, tt := range tests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		r := Detect(p)
		if r.More && len(p) >= 16 {
			t.Fatalf("%q: more than 16 bytes wanted", p)
		}
		if r.More == (r.Protocol != cgi.Auto || r.Foreign != "") {
			t.Fatalf("%q: %+v says both, or nothing", p, r)
		}
		for n := range p {
			if s := Detect(p[:n]); !s.More && s != r {
				t.Fatalf("%q: %+v, but its beginning %q: %+v", p, r, p[:n], s)
			}
		}
	})
}

func TestDetectAllocates(t *testing.T) {
	p := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { Detect(p) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
