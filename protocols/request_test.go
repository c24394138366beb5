package protocols

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/http1"
)

// params makes a head of params from pairs.
func params(p cgi.Protocol, pairs ...string) *cgi.Head {
	h := cgi.NewHead(p, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		h.Vars = append(h.Vars, cgi.Var{Name: pairs[i], Value: pairs[i+1]})
	}
	return h
}

// nginxHead is what nginx 1.22 sends with the stock fastcgi_params.
func nginxHead() *cgi.Head {
	return params(cgi.FastCGI,
		"QUERY_STRING", "q=a+b%20c&x", "REQUEST_METHOD", "GET", "CONTENT_TYPE", "", "CONTENT_LENGTH", "",
		"SCRIPT_NAME", "/f/a/b c/;p=1/x", "REQUEST_URI", "/f/a%2Fb%20c/%E9%C3%A9/..%2f;p=1//x?q=a+b%20c&x",
		"DOCUMENT_URI", "/f/a/b c/;p=1/x", "DOCUMENT_ROOT", "/usr/share/nginx/html", "SERVER_PROTOCOL", "HTTP/1.1",
		"REQUEST_SCHEME", "http", "GATEWAY_INTERFACE", "CGI/1.1", "SERVER_SOFTWARE", "nginx/1.22.1",
		"REMOTE_ADDR", "127.0.0.1", "REMOTE_PORT", "40000", "SERVER_ADDR", "127.0.0.1", "SERVER_PORT", "8080",
		"SERVER_NAME", "shop.example", "REDIRECT_STATUS", "200", "HTTP_HOST", "shop.example", "HTTP_USER_AGENT", "curl/7.88.1",
		"HTTP_ACCEPT", "*/*", "HTTP_X_DOUBLE", "1", "HTTP_X_DOUBLE", "2", "HTTP_COOKIE", "a=1", "HTTP_COOKIE", "b=2",
		"HTTP_X_UNDER", "v", "HTTP_X_EMPTY", "", "HTTP_PROXY", "http://evil", "HTTP_X_LATIN", "\xe9")
}

// over makes the head of an HTTP request.
func over(t testing.TB, in string, peer netip.AddrPort) *cgi.Head {
	t.Helper()
	trust, err := http1.NewTrust(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := &headSink{}
	if _, err := http1.NewCodec(&http1.Config{Trust: trust}, peer, netip.AddrPort{}).Feed([]byte(in), s); err != nil || s.head == nil {
		t.Fatalf("%q: %v", in, err)
	}
	return s.head
}

// describe writes down all of a request that a handler may look at.
func describe(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %d.%d\n", r.Method, r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor)
	fmt.Fprintf(&b, "path %q raw %q query %q host %q", r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.URL.Host)
	fmt.Fprintf(&b, "\nhost %q remote %s tls %v length %d coding %v close %v\n",
		r.Host, r.RemoteAddr, r.TLS != nil, r.ContentLength, r.TransferEncoding, r.Close)
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%s: %q\n", k, r.Header[k])
	}
	return b.String()
}

func TestNewRequest(t *testing.T) {
	tls := params(cgi.UWSGI, "REQUEST_METHOD", "POST", "PATH_INFO", "/u", "REQUEST_URI", "/u", "QUERY_STRING", "", "CONTENT_TYPE", "a/b",
		"CONTENT_LENGTH", "5", "SERVER_PROTOCOL", "HTTP/2.0", "HTTPS", "on", "REMOTE_ADDR", "2001:db8::1", "REMOTE_PORT", "9", "HTTP_HOST", "h:8443",
		"HTTP_CONTENT_LENGTH", "99", "HTTP_CONTENT_TYPE", "x/y", "HTTP_TRANSFER_ENCODING", "chunked")
	tls.ContentLength = 5
	caddy := params(cgi.FastCGI, "REQUEST_METHOD", "POST", "SCRIPT_NAME", "", "PATH_INFO", "/c", "REQUEST_URI", "/c", "CONTENT_LENGTH", "-1",
		"SERVER_PROTOCOL", "HTTP/1.1", "SERVER_NAME", "shop.example", "REMOTE_ADDR", "127.0.0.1", "REMOTE_PORT", "9")
	caddy.ContentLength = cgi.UnknownLength
	tests := []struct {
		name string
		h    *cgi.Head
		m    cgi.Mount
		want string
	}{
		{"nginx", nginxHead(), cgi.Mount{}, `GET /f/a%2Fb%20c/%E9%C3%A9/..%2f;p=1//x?q=a+b%20c&x HTTP/1.1 1.1
path "/f/a/b c/;p=1/x" raw "" query "q=a+b%20c&x" host ""
host "shop.example" remote 127.0.0.1:40000 tls false length 0 coding [] close false
Accept: ["*/*"]
Cookie: ["a=1; b=2"]
User-Agent: ["curl/7.88.1"]
X-Double: ["1, 2"]
X-Empty: [""]
X-Latin: ["\xe9"]
X-Under: ["v"]
`},
		{"nginx over TLS with HTTP/2", tls, cgi.Mount{}, `POST /u HTTP/2.0 2.0
path "/u" raw "" query "" host ""
host "h:8443" remote [2001:db8::1]:9 tls true length 5 coding [] close false
Content-Length: ["5"]
Content-Type: ["a/b"]
`},
		{"Caddy, chunked upload", caddy, cgi.Mount{}, `POST /c HTTP/1.1 1.1
path "/c" raw "" query "" host ""
host "shop.example" remote 127.0.0.1:9 tls false length -1 coding [] close false
`},
		{"bare", params(cgi.UWSGI, "REQUEST_METHOD", "GET", "PATH_INFO", "/a b", "QUERY_STRING", "x"), cgi.Mount{}, `GET /a%20b?x HTTP/1.1 1.1
path "/a b" raw "" query "x" host ""
host "" remote 0.0.0.0:0 tls false length 0 coding [] close false
`},
		{"a server-side include", params(cgi.FastCGI, "REQUEST_METHOD", "GET", "SCRIPT_NAME", "/i", "SERVER_PROTOCOL", "INCLUDED", "REMOTE_ADDR", "unix:"),
			cgi.Mount{}, `GET /i HTTP/1.1 1.1
path "/i" raw "" query "" host ""
host "" remote 0.0.0.0:0 tls false length 0 coding [] close false
`},
		{"HTTP/1.0 of nginx", over(t, "GET /h?x HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n", netip.AddrPort{}), cgi.Mount{},
			`GET /h?x HTTP/1.0 1.0
path "/h" raw "" query "x" host ""
host "localhost" remote 192.0.2.1:0 tls false length 0 coding [] close true
Connection: ["close"]
X-Forwarded-For: ["192.0.2.1"]
`},
		{"HTTP/1.1, chunked", over(t, "POST / HTTP/1.1\r\nhost: h\r\nx-a: 1\r\nX-A: 2\r\nproxy: evil\r\nx-forwarded-proto: https\r\ntransfer-encoding: chunked\r\n\r\n", netip.AddrPort{}),
			cgi.Mount{}, `POST / HTTP/1.1 1.1
path "/" raw "" query "" host ""
host "h" remote 0.0.0.0:0 tls true length -1 coding [chunked] close false
X-A: ["1, 2"]
X-Forwarded-Proto: ["https"]
`},
		{"CONNECT", over(t, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", netip.MustParseAddrPort("[::1]:5")), cgi.Mount{},
			`CONNECT h:443 HTTP/1.1 1.1
path "" raw "" query "" host "h:443"
host "h:443" remote [::1]:5 tls false length 0 coding [] close false
`},
		{"star", over(t, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", netip.AddrPort{}), cgi.Mount{}, `OPTIONS * HTTP/1.1 1.1
path "*" raw "" query "" host ""
host "h" remote 0.0.0.0:0 tls false length 0 coding [] close false
`},
	}
	for _, tt := range tests {
		r, err := NewRequest(context.Background(), tt.h, tt.m)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := describe(r); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// Paths: what the front authorised counts, and RawPath is only set beside it when
// it says the same.
func TestURL(t *testing.T) {
	fcgi := func(script, info, uri string) *cgi.Head {
		return params(cgi.FastCGI, "REQUEST_METHOD", "GET", "SCRIPT_NAME", script, "PATH_INFO", info, "REQUEST_URI", uri)
	}
	get := func(target string) *cgi.Head {
		return over(t, "GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n", netip.AddrPort{})
	}
	modifier30 := params(cgi.UWSGI, "REQUEST_METHOD", "GET", "SCRIPT_NAME", "/shop", "PATH_INFO", "/shop/a", "REQUEST_URI", "/shop/a")
	modifier30.Modifier1 = 30
	tests := []struct {
		name      string
		h         *cgi.Head
		m         cgi.Mount
		path, raw string
	}{
		{"plain", fcgi("/a/b", "", "/a/b?c"), cgi.Mount{}, "/a/b", ""},
		{"encoded slash", fcgi("/a/b", "", "/a%2Fb"), cgi.Mount{}, "/a/b", "/a%2Fb"},
		{"encoded slash that Apache kept", fcgi("/a%2Fb", "", "/a%2Fb"), cgi.Mount{}, "/a%2Fb", ""},
		{"space", fcgi("/a b", "", "/a%20b"), cgi.Mount{}, "/a b", ""},
		{"exclamation mark", fcgi("/a!", "", "/a!"), cgi.Mount{}, "/a!", "/a!"},
		{"latin", fcgi("/\xe9", "", "/%E9"), cgi.Mount{}, "/\xe9", ""},
		{"latin in small letters", fcgi("/\xe9", "", "/%e9"), cgi.Mount{}, "/\xe9", "/%e9"},
		{"rewritten", fcgi("/index", "", "/secret%2Fx"), cgi.Mount{}, "/index", ""},
		{"cleaned", fcgi("/b", "", "/a/../b"), cgi.Mount{}, "/b", ""},
		{"cleaned, encoded", fcgi("/f/a/b", "", "/f/a%2F//b"), cgi.Mount{}, "/f/a/b", ""},
		{"merged slashes", fcgi("/a/b", "", "//a//b"), cgi.Mount{}, "/a/b", ""},
		{"percent sign that stays", fcgi("/a%2e", "", "/a%252e"), cgi.Mount{}, "/a%2e", ""},
		{"split", fcgi("/shop", "/a/b", "/shop/a%2Fb"), cgi.Mount{}, "/shop/a/b", "/shop/a%2Fb"},
		{"split, mounted", fcgi("/shop", "/a/b", "/shop/a%2Fb"), cgi.Mount{Prefix: "/shop"}, "/a/b", "/a%2Fb"},
		{"mounted", fcgi("/shop/a/b", "", "/shop/a%2Fb"), cgi.Mount{Prefix: "/shop"}, "/a/b", "/a%2Fb"},
		{"the mount itself", fcgi("/shop", "", "/shop"), cgi.Mount{Prefix: "/shop"}, "/", ""},
		{"the mount, encoded by the client", fcgi("/shop/a/b", "", "/%73hop/a%2Fb"), cgi.Mount{Prefix: "/shop"}, "/a/b", ""},
		{"from the URI", fcgi("/a/b", "", "/a%2Fb/../c"), cgi.Mount{FromURI: true}, "/a/b/../c", "/a%2Fb/../c"},
		{"modifier 30", modifier30, cgi.Mount{}, "/a", ""},
		{"HTTP", get("/a%2Fb"), cgi.Mount{}, "/a/b", "/a%2Fb"},
		{"HTTP, two slashes", get("//a/b"), cgi.Mount{}, "//a/b", ""},
		{"HTTP, raw bytes", get("/\xe9"), cgi.Mount{}, "/\xe9", "/\xe9"},
		{"HTTP, mounted", get("/shop/a%2Fb"), cgi.Mount{Prefix: "/shop"}, "/a/b", "/a%2Fb"},
		{"HTTP, absolute", get("http://x/a%2Fb?c"), cgi.Mount{}, "/a/b", "/a%2Fb"},
	}
	for _, tt := range tests {
		r, err := NewRequest(context.Background(), tt.h, tt.m)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		raw := r.URL.RawPath
		if r.URL.Path != tt.path || raw != tt.raw {
			t.Errorf("%s: path %q, raw %q; want %q, %q", tt.name, r.URL.Path, raw, tt.path, tt.raw)
		}
	}
}

func TestNewRequestRefuses(t *testing.T) {
	for _, h := range []*cgi.Head{
		params(cgi.FastCGI, "SCRIPT_NAME", "/"),
		params(cgi.FastCGI, "REQUEST_METHOD", "G T", "SCRIPT_NAME", "/"),
		params(cgi.FastCGI, "REQUEST_METHOD", "GET", "SCRIPT_NAME", "/", "HTTP_X", "a\r\nb"),
		params(cgi.UWSGI, "REQUEST_METHOD", "GET", "REQUEST_URI", "/%"),
		over(t, "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", netip.AddrPort{}),
	} {
		r, err := NewRequest(context.Background(), h, cgi.Mount{})
		if fault, is := errors.AsType[*cgi.Error](err); !is || fault.Status != 400 || fault.Protocol != h.Protocol {
			t.Errorf("%v: %v, %v", h.Vars, r, err)
		}
	}
}

func TestParams(t *testing.T) {
	h := nginxHead()
	r, err := NewRequest(context.Background(), h, cgi.Mount{})
	if err != nil {
		t.Fatal(err)
	}
	type key struct{}
	r = r.WithContext(context.WithValue(r.Context(), key{}, 1)) // what middleware does
	if got := Params(r); !reflect.DeepEqual(got, h.Vars) || got.Get("DOCUMENT_URI") != "/f/a/b c/;p=1/x" || Head(r) != h {
		t.Errorf("%v", got)
	}
	h = over(t, "GET /shop/a?b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n", netip.AddrPort{})
	if r, err = NewRequest(context.Background(), h, cgi.Mount{Prefix: "/shop"}); err != nil {
		t.Fatal(err)
	}
	p := Params(r)
	if p.Get("SCRIPT_NAME") != "/shop" || p.Get("PATH_INFO") != "/a" || p.Get("HTTP_X_A") != "1" || p.Get("QUERY_STRING") != "b" {
		t.Errorf("%v", p)
	}
	absolute := over(t, "GET http://real.example/a HTTP/1.1\r\nHost: other.example\r\n\r\n", netip.AddrPort{})
	if a, err := NewRequest(context.Background(), absolute, cgi.Mount{}); err != nil || a.Host != "real.example" || Params(a).Get("HTTP_HOST") != "real.example" {
		t.Errorf("an absolute target: host %q, %v, %v", a.Host, Params(a), err)
	}
	if q := Params(r); &q[0] != &p[0] {
		t.Error("the variables are made again")
	}
	h = &cgi.Head{Protocol: cgi.FastCGI, Vars: cgi.Vars{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "SCRIPT_FILENAME", Value: "proxy:fcgi://app/srv/a?b"}}}
	if r, err = NewRequest(context.Background(), h, cgi.Mount{}); err != nil || ScriptFilename(r) != "/srv/a" || Params(r).Get("SCRIPT_FILENAME") != "proxy:fcgi://app/srv/a?b" {
		t.Errorf("the file is %q, %v", ScriptFilename(r), err)
	}
	r, err = http.NewRequest("GET", "/", nil)
	if err != nil || ScriptFilename(r) != "" || Params(r) != nil || Head(r) != nil {
		t.Error("a request from elsewhere has params")
	}
}

// The context that the caller gave still counts.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	r, err := NewRequest(ctx, nginxHead(), cgi.Mount{})
	if err != nil {
		t.Fatal(err)
	}
	child, stop := context.WithCancel(r.Context())
	defer stop()
	cancel(cgi.ErrHangup)
	<-child.Done()
	if context.Cause(child) != cgi.ErrHangup {
		t.Error(context.Cause(child))
	}
}

// A request of 20 params, from its bytes to the handler, with a context that can be
// cancelled: at most 20 allocations.
func TestAllocations(t *testing.T) {
	h := nginxHead()
	h.Vars = append(h.Vars[:18:18], // those of stock nginx
		cgi.Var{Name: "HTTP_HOST", Value: "shop.example"}, cgi.Var{Name: "HTTP_X_TENANT_ID", Value: "7"})
	var wire []byte
	wire = append(wire, 1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
	wire = appendRecord(wire, 4, pairs(h.Vars))
	wire = appendRecord(wire, 4, nil)
	wire = appendRecord(wire, 5, nil)
	c, s := fastcgi.NewCodec(cgi.Limits{}), &headSink{}
	answer := &cgi.AnswerHead{Status: 200}
	out := make([]byte, 0, 1024)
	n := testing.AllocsPerRun(200, func() {
		if _, err := c.Feed(wire, s); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		if _, err := NewRequest(ctx, s.head, cgi.Mount{}); err != nil {
			t.Fatal(err)
		}
		cancel(nil)
		out = c.AppendAnswer(out[:0], 1, answer, nil, true)
	})
	if n > 20 {
		t.Errorf("%v allocations for a FastCGI request of %d params", n, len(h.Vars))
	}
	t.Logf("%v allocations", n)
}

// pairs encodes short name-value pairs of FastCGI.
func pairs(v cgi.Vars) (b []byte) {
	for name, value := range v.All() {
		b = append(b, byte(len(name)), byte(len(value)))
		b = append(append(b, name...), value...)
	}
	return b
}

func appendRecord(b []byte, kind byte, content []byte) []byte {
	b = append(b, 1, kind, 0, 1, byte(len(content)>>8), byte(len(content)), 0, 0)
	return append(b, content...)
}

// FuzzNewRequest builds requests from any params and from any HTTP head. What
// net/http reads from the same head is the same request.
func FuzzNewRequest(f *testing.F) {
	f.Add("/a%2Fb?c", "/a/b", "", "HTTP_X_A", "1", "/a")
	f.Add("/%41/../b", "/b", "/x", "HTTP_COOKIE", "a", "/")
	f.Add("http://h/a!b", "/", "", "HTTPS", "on", "")
	f.Fuzz(func(t *testing.T, uri, script, info, name, value, mount string) {
		if mount != "" && mount[0] != '/' || len(mount) > 1 && mount[len(mount)-1] == '/' {
			return // a setting that nobody can make
		}
		for _, fromURI := range []bool{false, true} {
			h := params(cgi.FastCGI, "REQUEST_METHOD", "GET", "REQUEST_URI", uri, "SCRIPT_NAME", script, "PATH_INFO", info, name, value, name, value)
			checkRequest(t, h, cgi.Mount{Prefix: mount, FromURI: fromURI})
		}
		in := "GET " + uri + " HTTP/1.1\r\nHost: h\r\nX-A: " + value + "\r\n\r\n"
		s := &headSink{}
		if _, err := http1.NewCodec(&http1.Config{}, netip.AddrPort{}, netip.AddrPort{}).Feed([]byte(in), s); err != nil || s.head == nil {
			return
		}
		r := checkRequest(t, s.head, cgi.Mount{})
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(in)))
		if r == nil || err != nil || strings.HasSuffix(uri, "?") {
			return
		}
		if want.URL.Scheme != "" || want.URL.Opaque != "" {
			want.URL.Scheme, want.URL.Host = "", "" // net/http keeps them
			if want.URL.Path == "" {
				want.URL.Path = "/"
			}
		}
		if r.URL.Path != want.URL.Path || r.URL.RawPath != want.URL.RawPath || r.URL.RawQuery != want.URL.RawQuery ||
			r.RequestURI != want.RequestURI || r.Host != want.Host || !reflect.DeepEqual(r.Header, want.Header) {
			t.Errorf("net/http:\n%s\nhere:\n%s", describe(want), describe(r))
		}
	})
}

// checkRequest builds a request and holds it against what must always be true.
func checkRequest(t *testing.T, h *cgi.Head, m cgi.Mount) *http.Request {
	t.Helper()
	r, err := NewRequest(context.Background(), h, m)
	if err != nil {
		if _, is := errors.AsType[*cgi.Error](err); !is {
			t.Fatal(err)
		}
		return nil
	}
	if r.URL.Path == "" || r.URL.Path[0] != '/' && r.URL.Path != "*" && r.Method != "CONNECT" {
		t.Fatalf("path %q", r.URL.Path)
	}
	if raw := r.URL.RawPath; raw != "" {
		if path, err := url.PathUnescape(raw); err != nil || path != r.URL.Path {
			t.Fatalf("path %q beside raw path %q", r.URL.Path, raw)
		}
	}
	if _, err := netip.ParseAddrPort(r.RemoteAddr); err != nil && h.Protocol == cgi.HTTP {
		t.Fatalf("remote address %q", r.RemoteAddr)
	}
	for k := range r.Header {
		if http.CanonicalHeaderKey(k) != k || k == "Proxy" || k == "Host" {
			t.Fatalf("header key %q", k)
		}
	}
	return r
}
