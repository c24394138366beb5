package accesslog

import (
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// render returns the line that a format makes of an entry.
func render(t *testing.T, format string, e Entry) string {
	t.Helper()
	f, err := Compile(format)
	if err != nil {
		t.Fatal(err)
	}
	l := &Log{format: f, worker: Worker{Slot: 2, Generation: 7, PID: 4711}}
	l.stamp.offset = time.Date(2026, 11, 21, 1, 2, 3, 456789000, time.Local).UnixNano() - e.End
	e.complete()
	l.append(&e)
	return string(l.lines)
}

// request is the same request as each front sends it.
func request(p cgi.Protocol) Entry {
	e := Entry{
		RequestID: "7f3a", Status: 201, Bytes: 512, End: 99, Took: 1234567 * time.Microsecond,
		Fields: []cgi.Var{{Name: "Content-Type", Value: "text/html"}, {Name: "X-Cache", Value: "a"}, {Name: "x-cache", Value: "b"}},
	}
	if p == cgi.HTTP {
		e.Remote = "192.0.2.7"
		e.Head = &cgi.Head{Protocol: p, Method: "POST", Target: "/a/b?x=1", Proto: "HTTP/1.1", Vars: []cgi.Var{
			{Name: "host", Value: "shop.example"}, {Name: "REFERER", Value: "http://r/"}, {Name: "User-Agent", Value: "curl/8"},
			{Name: "Authorization", Value: "basic YW5uOnNlY3JldA=="}, {Name: "X-Forwarded-For", Value: "10.0.0.1"}, {Name: "Content-Type", Value: "a/b"},
		}}
		return e
	}
	e.Head = &cgi.Head{Protocol: p, Vars: []cgi.Var{
		{Name: "REQUEST_METHOD", Value: "POST"}, {Name: "REQUEST_URI", Value: "/a/b?x=1"}, {Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "REMOTE_ADDR", Value: "192.0.2.7"}, {Name: "HTTP_HOST", Value: "shop.example"}, {Name: "HTTP_REFERER", Value: "http://r/"},
		{Name: "HTTP_USER_AGENT", Value: "curl/8"}, {Name: "HTTP_AUTHORIZATION", Value: "Basic YW5uOnNlY3JldA=="},
		{Name: "HTTP_X_FORWARDED_FOR", Value: "10.0.0.1"}, {Name: "CONTENT_TYPE", Value: "a/b"},
	}}
	return e
}

func TestAtoms(t *testing.T) {
	when := time.Date(2026, 11, 21, 1, 2, 3, 0, time.Local)
	for _, test := range []struct{ format, want string }{
		{`%(h)s|%(l)s|%(u)s|%(t)s`, `192.0.2.7|-|ann|` + when.Format("[02/Jan/2006:15:04:05 -0700]")},
		{`%(r)s|%(m)s|%(U)s|%(q)s|%(H)s`, `POST /a/b?x=1 HTTP/1.1|POST|/a/b|x=1|HTTP/1.1`},
		{`%(s)s|%(b)s|%(B)d`, `201|512|512`},
		{`"%(f)s" "%(a)s"`, `"http://r/" "curl/8"`},
		{`%(T)s|%(M)s|%(D)s|%(L)s|%(p)s`, `1|1234|1234567|1.234567|<4711>`},
		{`%({x-forwarded-for}i)s|%({Content-Type}i)s|%({X-None}i)s|%({x-request-id}i)s`, `10.0.0.1|a/b|-|7f3a`},
		{`%({content-type}o)s|%({X-Cache}o)s|%({x-none}o)s`, `text/html|b|-`},
		{`%({REQUEST_METHOD}e)s|%({HTTP_HOST}e)s|%({CONTENT_TYPE}e)s|%({REMOTE_ADDR}e)s|%({QUERY_STRING}e)s`, `POST|shop.example|a/b|192.0.2.7|x=1`},
		{`%({appd.worker_id}e)s|%({appd.generation}e)s|%({appd.request_id}e)s`, `2|7|7f3a`},
		{`100%% %(s)s%%`, `100% 201%`},
		{``, ``},
	} {
		for _, p := range []cgi.Protocol{cgi.FastCGI, cgi.UWSGI, cgi.HTTP} {
			if got := render(t, test.format, request(p)); got != test.want+"\n" {
				t.Errorf("%s: %s gives %q, want %q", p, test.format, got, test.want)
			}
		}
	}
}

func TestUserOfTheFrontWins(t *testing.T) {
	e := request(cgi.FastCGI)
	e.Head.Vars = append(e.Head.Vars, cgi.Var{Name: "REMOTE_USER", Value: "bob smith"})
	if got := render(t, `%(u)s "%(u)s" %({REMOTE_USER}e)s`, e); got != `bob\x20smith "bob smith" bob\x20smith`+"\n" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"Basic", "Basic !!!!", "Basic YW5u", "Bearer YW5uOnNlY3JldA==", "Basic " + strings.Repeat("YW5u", 500)} {
		e := request(cgi.HTTP)
		e.Head.Vars[3].Value = bad
		if got := render(t, `%(u)s`, e); got != "-\n" {
			t.Errorf("user of %.30q is %q", bad, got)
		}
	}
}

func TestARequestThatNeverWas(t *testing.T) {
	const def = `%(h)s %(l)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s %({x}e)s %({x}o)s`
	if got := render(t, def, Entry{Took: -1}); got != `- - - "-" 000 - "-" "-" 0 - -`+"\n" {
		t.Errorf("got %q", got)
	}
}

// A line must not be forged, nor a column, whatever stands in a request.
func TestForging(t *testing.T) {
	evil := "x\" 200 5 \"\n127.0.0.1 - - \"GET /\r\x1b[31m\\\" \u2028\x85\xff"
	e := Entry{Method: evil, Target: evil, Proto: evil, Remote: evil, RequestID: evil, Status: 200,
		Fields: []cgi.Var{{Name: "X", Value: evil}},
		Head: &cgi.Head{Protocol: cgi.FastCGI, Vars: []cgi.Var{
			{Name: "REMOTE_USER", Value: evil}, {Name: "HTTP_REFERER", Value: evil}, {Name: "HTTP_USER_AGENT", Value: evil}, {Name: "HTTP_X", Value: evil},
		}}}
	got := render(t, `%(h)s %(u)s %({x}i)s %({x}o)s %({x-request-id}i)s %(U)s %(q)s "%(f)s" "%(a)s"`, e)
	for i, c := range []byte(got[:len(got)-1]) {
		if c < ' ' || c > '~' {
			t.Errorf("byte %d is %q", i, c)
		}
	}
	if n := strings.Count(strings.ReplaceAll(got, `\"`, ``), `"`); n != 4 {
		t.Errorf("%d quotes in %q, want 4", n, got)
	}
	if head, _, _ := strings.Cut(got, `"`); head != "" && len(strings.Fields(strings.ReplaceAll(head, `\`, ``))) < 1 {
		t.Errorf("no columns in %q", got)
	}
	unquoted := render(t, `%(h)s %(u)s %({x}i)s %({x}o)s %(U)s %(q)s`, e)
	if n := len(strings.Fields(unquoted)); n != 6 {
		t.Errorf("%d columns in %q, want 6", n, unquoted)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, test := range []struct{ format, want string }{
		{`%(h)s %(X)s`, `byte 7 of the format: there is no %(X)s`},
		{`%h`, `byte 1`},
		{`abc %(`, `byte 5`},
		{`%(s)`, `must end with s`},
		{`%(s)5s`, `must end with s`},
		{`%({x}z)s`, `{NAME}i for a field`},
		{`%({}i)s`, `must be {NAME}i`},
		{"%({\n}e)s", `must be {NAME}i`},
		{`100%`, `byte 4`},
	} {
		if _, err := Compile(test.format); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Compile(%s) = %v, want %q", test.format, err, test.want)
		}
	}
}

func TestSummary(t *testing.T) {
	e := request(cgi.HTTP)
	if got, want := Summary(&e), `POST /a/b?x=1 HTTP/1.1 status=201 took=1.234567s remote=192.0.2.7 request_id=7f3a`; got != want {
		t.Errorf("Summary = %q, want %q", got, want)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`, "\"\n")
	f.Add(`%%(%({x}i)s%({appd.protocol}e)s`, "Basic YW5uOnNlY3JldA==")
	f.Fuzz(func(t *testing.T, format, value string) {
		c, err := Compile(format)
		if err != nil {
			return
		}
		e := Entry{Target: value, Remote: value, Head: &cgi.Head{Protocol: cgi.HTTP, Vars: []cgi.Var{
			{Name: "Authorization", Value: value}, {Name: "Referer", Value: value}, {Name: "X", Value: value}}}}
		l := &Log{format: c}
		l.append(&e)
		if want := 1 + strings.Count(format, "\n"); strings.Count(string(l.lines), "\n") != want {
			t.Errorf("%q makes %q of %q, want %d lines", format, l.lines, value, want)
		}
	})
}
