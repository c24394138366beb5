package cgi

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func dump(v Vars) string {
	var b strings.Builder
	for name, value := range v.All() {
		fmt.Fprintf(&b, "%s=%s\n", name, value)
	}
	return b.String()
}

func TestEnviron(t *testing.T) {
	tests := []struct {
		name string
		h    *Head
		m    Mount
		want string
	}{
		{"nginx fastcgi_params", vars(FastCGI,
			"QUERY_STRING", "q=a+b%20c&x", "REQUEST_METHOD", "GET", "CONTENT_TYPE", "", "CONTENT_LENGTH", "",
			"SCRIPT_NAME", "/f/a/b c/;p=1/x", "REQUEST_URI", "/f/a%2Fb%20c/;p=1//x?q=a+b%20c&x", "DOCUMENT_URI", "/f/a/b c/;p=1/x",
			"DOCUMENT_ROOT", "/srv", "SERVER_PROTOCOL", "HTTP/1.1", "REQUEST_SCHEME", "https", "HTTPS", "on",
			"REMOTE_ADDR", "127.0.0.1", "REMOTE_PORT", "4000", "SERVER_PORT", "443", "SERVER_NAME", "shop.example",
			"HTTP_HOST", "shop.example", "HTTP_COOKIE", "a=1", "HTTP_X", "1", "HTTP_COOKIE", "b=2", "HTTP_X", "2",
			"HTTP_PROXY", "http://evil", "HTTP_CONTENT_LENGTH", "0", "HTTP_CONTENT_TYPE", "x", "HTTP_TRANSFER_ENCODING", "chunked",
			"HTTP_EMPTY", "", "HTTP_BAD-NAME", "x", "HTTP_", "x", "", "x"), Mount{}, `
REQUEST_METHOD=GET
SCRIPT_NAME=
PATH_INFO=/f/a/b c/;p=1/x
QUERY_STRING=q=a+b%20c&x
REQUEST_URI=/f/a%2Fb%20c/;p=1//x?q=a+b%20c&x
SERVER_PROTOCOL=HTTP/1.1
SERVER_NAME=shop.example
SERVER_PORT=443
REMOTE_ADDR=127.0.0.1
REMOTE_PORT=4000
CONTENT_TYPE=
CONTENT_LENGTH=
DOCUMENT_URI=/f/a/b c/;p=1/x
DOCUMENT_ROOT=/srv
REQUEST_SCHEME=https
HTTPS=on
HTTP_HOST=shop.example
HTTP_COOKIE=a=1; b=2
HTTP_X=1, 2
HTTP_EMPTY=
`},
		{"HAProxy", vars(FastCGI,
			"REQUEST_METHOD", "POST", "SCRIPT_NAME", "/shop/a", "REQUEST_URI", "/shop/a", "QUERY_STRING", "",
			"SERVER_NAME", "shop.example:8080", "SERVER_PORT", "80", "SERVER_PROTOCOL", "HTTP/2.0", "CONTENT_LENGTH", "5",
			"REMOTE_ADDR", "::1", "REMOTE_PORT", "1", "HTTP_HOST", "shop.example:8080"), Mount{Prefix: "/shop"}, `
REQUEST_METHOD=POST
SCRIPT_NAME=/shop
PATH_INFO=/a
QUERY_STRING=
REQUEST_URI=/shop/a
SERVER_PROTOCOL=HTTP/2.0
SERVER_NAME=shop.example
SERVER_PORT=80
REMOTE_ADDR=::1
REMOTE_PORT=1
CONTENT_TYPE=
CONTENT_LENGTH=5
HTTP_HOST=shop.example:8080
`},
		{"a handful of uwsgi vars", vars(UWSGI, "REQUEST_METHOD", "GET", "REQUEST_URI", "/a%20b?c", "SERVER_NAME", "old", "SERVER_NAME", "h", "APP", "1", "APP", "2"), Mount{}, `
REQUEST_METHOD=GET
SCRIPT_NAME=
PATH_INFO=/a b
QUERY_STRING=c
REQUEST_URI=/a%20b?c
SERVER_PROTOCOL=HTTP/1.1
SERVER_NAME=h
SERVER_PORT=80
REMOTE_ADDR=0.0.0.0
REMOTE_PORT=0
CONTENT_TYPE=
CONTENT_LENGTH=
APP=2
`},
		{"HTTP", &Head{Protocol: HTTP, Method: "PUT", Target: "/a%2fb?c=d", Proto: "HTTP/1.1", Host: "h:81", HTTPS: true, ContentLength: 5,
			Peer: netip.MustParseAddrPort("192.0.2.1:0"), Vars: Vars{
				{"Host", "h:81"}, {"content-type", "a/b"}, {"Content-Length", "5"}, {"Cookie", "a"}, {"Cookie", "b"}, {"X-A", "1"}, {"x-a", "2"},
				{"Proxy", "evil"}, {"X.Y", "z"}}}, Mount{}, `
REQUEST_METHOD=PUT
SCRIPT_NAME=
PATH_INFO=/a/b
QUERY_STRING=c=d
REQUEST_URI=/a%2fb?c=d
SERVER_PROTOCOL=HTTP/1.1
SERVER_NAME=h
SERVER_PORT=81
REMOTE_ADDR=192.0.2.1
REMOTE_PORT=0
CONTENT_TYPE=a/b
CONTENT_LENGTH=5
HTTPS=on
HTTP_HOST=h:81
HTTP_COOKIE=a; b
HTTP_X_A=1, 2
`},
		{"HTTP of an unknown length, no peer", &Head{Protocol: HTTP, Method: "OPTIONS", Target: "*", Proto: "HTTP/1.1", Host: "[::1]", ContentLength: -1,
			Vars: Vars{{"Transfer-Encoding", "chunked"}}}, Mount{}, `
REQUEST_METHOD=OPTIONS
SCRIPT_NAME=
PATH_INFO=/
QUERY_STRING=
REQUEST_URI=*
SERVER_PROTOCOL=HTTP/1.1
SERVER_NAME=[::1]
SERVER_PORT=80
REMOTE_ADDR=0.0.0.0
REMOTE_PORT=0
CONTENT_TYPE=
CONTENT_LENGTH=
`},
	}
	for _, tt := range tests {
		got, err := tt.h.Environ(Vars{{"BEFORE", "1"}}, tt.m)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := "BEFORE=1" + tt.want; dump(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, dump(got), want)
		}
	}
}

// Only the two variables that are duplicates or lies stay out of the fields.
func TestFieldsBesideTheBody(t *testing.T) {
	h := vars(FastCGI, "HTTP_CONTENT_LENGTH", "9", "HTTP_CONTENT_TYPE", "a/b", "HTTP_TRANSFER_ENCODING", "chunked",
		"HTTP_CONTENT_LENGTH_HINT", "1", "HTTP_CONTENT_TYPE_HINT", "2")
	if got := dump(h.AppendFields(nil)); got != "Content-Length-Hint=1\nContent-Type-Hint=2\n" {
		t.Errorf("got\n%s", got)
	}
}

func TestCheck(t *testing.T) {
	good := []string{"REQUEST_METHOD", "GET", "REQUEST_URI", "/\xe9 x", "HTTP_HOST", "h:80", "HTTP_X", "a\tb\xff"}
	if err := vars(FastCGI, good...).Check(); err != nil {
		t.Error(err)
	}
	for _, bad := range [][2]string{
		{"REQUEST_METHOD", "GE T"}, {"REQUEST_METHOD", ""}, {"REQUEST_METHOD", "G\r\n"}, {"HTTP_HOST", "a b"}, {"HTTP_HOST", "a/b"},
		{"HTTP_X", "a\nb"}, {"HTTP_X", "a\x00"}, {"REQUEST_URI", "/\n"},
	} {
		err := vars(UWSGI, append(good, bad[0], bad[1])...).Check()
		if e, ok := err.(*Error); !ok || e.Status != 400 || e.Protocol != UWSGI || !strings.Contains(e.Text, bad[0]) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := vars(UWSGI, "PATH_INFO", "/").Check(); err == nil {
		t.Error("a request without a method is let through")
	}
}

func TestScriptFilename(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "/srv/a.php": "/srv/a.php", "/srv/a?b": "/srv/a?b",
		"proxy:fcgi://127.0.0.1:9000/srv/a.php":       "/srv/a.php",
		"proxy:fcgi://[::1]:9000/srv/a.php/info?x=/y": "/srv/a.php/info",
		"proxy:balancer://cluster/srv/a%252Fb.php":    "/srv/a%252Fb.php",
		"fcgi://appd/srv/a.php":                       "/srv/a.php",
		"proxy:fcgi://appd":                           "",
		"proxy:uwsgi://appd/a":                        "proxy:uwsgi://appd/a",
		"proxy:fcgi:///a":                             "/a",
	} {
		if got := ScriptFilename(in); got != want {
			t.Errorf("ScriptFilename(%q) = %q, want %q", in, got, want)
		}
	}
	h := &Head{Protocol: FastCGI, Vars: Vars{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/a"}, {"SCRIPT_FILENAME", "proxy:fcgi://appd/srv/a"}}}
	if vars, err := h.Environ(nil, Mount{}); err != nil || vars.Get("SCRIPT_FILENAME") != "/srv/a" {
		t.Errorf("environ: %q, %v", vars.Get("SCRIPT_FILENAME"), err)
	}
}

// UWSGI_SCHEME is what an administrator wrote: it stands above what the front found.
func TestForcedScheme(t *testing.T) {
	for forced, want := range map[string]bool{"https": true, "http": false, "": true} {
		h := &Head{Protocol: UWSGI, Vars: Vars{{"HTTPS", "on"}, {"UWSGI_SCHEME", forced}, {"REQUEST_SCHEME", "https"}}}
		var f Facts
		if h.Facts(&f); f.Secure != want || h.Secure() != want {
			t.Errorf("UWSGI_SCHEME %q: secure %v and %v, want %v", forced, f.Secure, h.Secure(), want)
		}
	}
}

func TestSecure(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"HTTPS", "on"}: true, {"HTTPS", "ON"}: true, {"HTTPS", "1"}: true, {"HTTPS", "true"}: true, {"HTTPS", ""}: false, {"HTTPS", "off"}: false,
		{"REQUEST_SCHEME", "https"}: true, {"REQUEST_SCHEME", "http"}: false, {"UWSGI_SCHEME", "https"}: true,
		{"HTTP_X_FORWARDED_PROTO", "https"}: false, {"HTTP_HTTPS", "on"}: false,
	} {
		h := vars(FastCGI, pair[0], pair[1])
		var f Facts
		h.Facts(&f)
		if h.Secure() != want || f.Secure != want {
			t.Errorf("%q: %v and %v, want %v", pair, h.Secure(), f.Secure, want)
		}
	}
}

func TestRemoteAddr(t *testing.T) {
	for in, want := range map[[2]string]string{
		{"192.0.2.1", "4000"}: "192.0.2.1:4000", {"2001:db8::1", "4000"}: "[2001:db8::1]:4000", {"192.0.2.1", ""}: "192.0.2.1:0",
		{"unix:", ""}: "0.0.0.0:0", {"", "80"}: "0.0.0.0:0",
	} {
		var f Facts
		vars(FastCGI, "REMOTE_ADDR", in[0], "REMOTE_PORT", in[1]).Facts(&f)
		if got := f.RemoteAddrPort(); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// Joining is the same beyond the number of variables that are searched one by one,
// and stays in proportion.
func TestManyVars(t *testing.T) {
	h := NewHead(FastCGI, 0)
	for i := range 40000 {
		h.Vars = append(h.Vars, Var{fmt.Sprintf("HTTP_X_%d", i%20000), fmt.Sprint(i)}, Var{"HTTP_COOKIE", "c"}, Var{"APP", fmt.Sprint(i)})
	}
	fields := Vars(h.AppendFields(nil))
	if len(fields) != 20001 || fields.Get("X-7") != "7, 20007" || len(fields.Get("Cookie")) != 40000*3-2 {
		t.Errorf("%d fields, X-7 %q, %d bytes of cookies", len(fields), fields.Get("X-7"), len(fields.Get("Cookie")))
	}
	env, err := h.Environ(nil, Mount{})
	if err != nil || env.Get("APP") != "39999" || env.Get("HTTP_X_7") != "7, 20007" {
		t.Errorf("%v, %q, %q", err, env.Get("APP"), env.Get("HTTP_X_7"))
	}
}

// The same field thousands of times is put together once, not once for each.
func TestOneFieldManyTimes(t *testing.T) {
	const n = 20000
	h := vars(FastCGI, "REQUEST_METHOD", "GET")
	for range n {
		h.Vars = append(h.Vars, Var{"HTTP_A", "x"})
	}
	var fields, env Vars
	allocs := testing.AllocsPerRun(1, func() {
		fields = h.AppendFields(nil)
		env, _ = h.Environ(nil, Mount{})
	})
	if len(fields.Get("A")) != 3*n-2 || len(env.Get("HTTP_A")) != 3*n-2 {
		t.Errorf("joined to %d and %d bytes, want %d", len(fields.Get("A")), len(env.Get("HTTP_A")), 3*n-2)
	}
	if allocs > n/10 {
		t.Errorf("%v allocations for %d values", allocs, n)
	}
}

func TestEnvironAllocations(t *testing.T) {
	h := vars(FastCGI, "REQUEST_METHOD", "GET", "SCRIPT_NAME", "/a", "REQUEST_URI", "/a", "QUERY_STRING", "", "SERVER_PROTOCOL", "HTTP/1.1",
		"SERVER_NAME", "h", "SERVER_PORT", "80", "REMOTE_ADDR", "127.0.0.1", "REMOTE_PORT", "1", "HTTP_HOST", "h", "HTTP_ACCEPT", "*/*", "HTTP_USER_AGENT", "x")
	var dst Vars
	if n := testing.AllocsPerRun(100, func() { dst, _ = h.Environ(dst[:0], Mount{}) }); n != 0 {
		t.Errorf("%v allocations with room in dst, want none", n)
	}
}
