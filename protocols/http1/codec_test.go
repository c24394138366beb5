package http1

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// accepted are requests that get through, as net/http or a front writes them.
var accepted = []struct {
	name, in   string
	head, body string // as describe writes it, but for what is the same in all
}{
	{"plain", get + "\r\n", `GET / HTTP/1.1 host="a" length=0 keep=true`, ""},
	{"1.0 without host", "GET /x?y HTTP/1.0\r\n\r\n", `GET /x?y HTTP/1.0 host="" length=0 keep=false`, ""},
	{"1.0 kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", `GET / HTTP/1.0 host="" length=0 keep=true`, ""},
	{"1.0 kept and closed", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", `GET / HTTP/1.0 host="" length=0 keep=false`, ""},
	{"1.1 closed", get + "Connection: close\r\n\r\n", `GET / HTTP/1.1 host="a" length=0 keep=false`, ""},
	{"1.1 closed in a list", get + "Connection: x, Close\r\n\r\n", `GET / HTTP/1.1 host="a" length=0 keep=false`, ""},
	{"1.1 closed in a second field", get + "Connection: keep-alive\r\nConnection: close\r\n\r\n", `GET / HTTP/1.1 host="a" length=0 keep=false`, ""},
	{"1.0 with an unknown expectation", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", `GET / HTTP/1.0 host="" length=0 keep=false`, ""},
	{"empty line first", "\r\n" + get + "\r\n", `GET / HTTP/1.1 host="a" length=0 keep=true`, ""},
	{"body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", `POST / HTTP/1.1 host="a" length=5 keep=true`, "hello"},
	{"length with zeros in front", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello", `POST / HTTP/1.1 host="a" length=5 keep=true`, "hello"},
	{"1.0 body", "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", `POST / HTTP/1.0 host="" length=5 keep=false`, "hello"},
	{"empty body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", `POST / HTTP/1.1 host="a" length=0 keep=true`, ""},
	{"chunks", chunked("5\r\nhello\r\n6;x=\"y\"\r\n world\r\n0\r\n\r\n"), `POST / HTTP/1.1 host="a" length=-1 keep=true`, "hello world"},
	{"chunk sizes", chunked("00A\r\n0123456789\r\na;x;y=\"z\"\r\n0123456789\r\n000\r\n\r\n"), `POST / HTTP/1.1 host="a" length=-1 keep=true`, "01234567890123456789"},
	{"no chunk", chunked("0\r\n\r\n"), `POST / HTTP/1.1 host="a" length=-1 keep=true`, ""},
	{"trailer", chunked("1\r\nx\r\n0\r\nX-Sum: 5\r\nY: \r\n\r\n"), `POST / HTTP/1.1 host="a" length=-1 keep=true`, "x"},
	{"coding in capitals", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", `POST / HTTP/1.1 host="a" length=-1 keep=true`, "x"},
	{"absolute target", "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", `GET http://b:81/x?y HTTP/1.1 host="b:81" length=0 keep=true`, ""},
	{"absolute target, no path", "GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", `GET HTTPS://b HTTP/1.1 host="b" length=0 keep=true`, ""},
	{"star", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", `OPTIONS * HTTP/1.1 host="a" length=0 keep=true`, ""},
	{"connect", "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", `CONNECT b:443 HTTP/1.1 host="b:443" length=0 keep=true`, ""},
	{"long method", "UPDATEREDIRECTREF / HTTP/1.1\r\nHost: a\r\n\r\n", `UPDATEREDIRECTREF / HTTP/1.1 host="a" length=0 keep=true`, ""},
	{"method with a hyphen", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", `M-SEARCH / HTTP/1.1 host="a" length=0 keep=true`, ""},
	{"raw bytes in the path", "GET /\xe9\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\xe9\xc3\xa9" + ` HTTP/1.1 host="a" length=0 keep=true`, ""},
	{"host with a port", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", `GET / HTTP/1.1 host="[::1]:80" length=0 keep=true`, ""},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", `GET / HTTP/1.1 host="" length=0 keep=true`, ""},
	{"a request line of just the limit", "GET /" + strings.Repeat("a", 4080) + " HTTP/1.1\r\nHost: a\r\n\r\n", "GET /" + strings.Repeat("a", 4080) + ` HTTP/1.1 host="a" length=0 keep=true`, ""},
}

func TestAccepted(t *testing.T) {
	for _, tt := range accepted {
		for _, size := range []int{whole, 1, 3} {
			r, _, err := serve(t, plainConfig, netip.AddrPort{}, tt.in, size)
			if err != nil || len(r.heads) != 1 {
				t.Errorf("%s, pieces of %d: %v, %d heads", tt.name, size, err, len(r.heads))
				continue
			}
			if got := describe(r.heads[0]); !strings.HasPrefix(got, tt.head+" ") {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.head)
			}
			want := []string{"head", "body", "end"}
			if tt.body == "" {
				want = []string{"head", "end"}
			}
			if r.bodies[0] != tt.body || !slices.Equal(r.events, want) || r.reply != "" {
				t.Errorf("%s, pieces of %d: body %q, events %q, reply %q", tt.name, size, r.bodies[0], r.events, r.reply)
			}
		}
	}
}

// All that fits the limits of a listener without limits is taken, but not more
// than 1 MiB.
func TestUnlimited(t *testing.T) {
	cfg := &Config{Limits: cgi.Limits{Line: -1, Fields: -1, FieldSize: -1}}
	for _, in := range []string{
		"GET /" + strings.Repeat("a", 8100) + " HTTP/1.1\r\nHost: a\r\n\r\n",
		get + "X: " + strings.Repeat("a", 1_000_000) + "\r\n\r\n",
		get + strings.Repeat("X: y\r\n", 32000) + "\r\n",
	} {
		if r, _, err := serve(t, cfg, netip.AddrPort{}, in, 65536); err != nil || len(r.heads) != 1 {
			t.Errorf("%.20q of %d bytes: %v", in, len(in), err)
		}
	}
	for in, status := range map[string]int{
		"GET /" + strings.Repeat("a", 8300) + " HTTP/1.1\r\nHost: a\r\n\r\n": 414,
		get + "X: " + strings.Repeat("a", 1<<20) + "\r\n\r\n":                431,
		get + strings.Repeat("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 32000): 431,
		get + strings.Repeat("X: y\r\n", 33000) + "\r\n":                     431,
	} {
		_, _, err := serve(t, cfg, netip.AddrPort{}, in, 65536)
		if fault, is := errors.AsType[*cgi.Error](err); !is || fault.Status != status {
			t.Errorf("%.20q of %d bytes: %v, want %d", in, len(in), err, status)
		}
	}
}

func TestIgnoredNames(t *testing.T) {
	in := get + "X_Forwarded_For: 1.2.3.4\r\nContent_Length: 5\r\nX-Y: z\r\nTransfer_Encoding: chunked\r\n\r\n"
	r, _, err := serve(t, plainConfig, netip.AddrPort{}, in, whole)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.heads[0].Vars) != 2 || r.heads[0].ContentLength != 0 {
		t.Errorf("%s", describe(r.heads[0]))
	}
	if len(r.notes) != 1 || !strings.Contains(r.notes[0], "X_Forwarded_For") {
		t.Errorf("notes %q, want one that names the first field", r.notes)
	}
}

// The second of two pipelined heads waits for the end of the first answer.
func TestPipelining(t *testing.T) {
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	first := "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy"
	in := []byte(first + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET")
	n, err := c.Feed(in, r)
	if n != len(first) || err != nil || len(r.heads) != 1 {
		t.Fatal(n, err, len(r.heads))
	}
	if n, err := c.Feed(in[n:], r); n != 0 || err != nil {
		t.Fatal("a second head was taken before the first answer", n, err)
	}
	c.AppendAnswer(nil, requestID, ok(2), []byte("a"), false)
	if n, _ := c.Feed(in[len(first):], r); n != 0 {
		t.Fatal("a second head was taken during the first answer")
	}
	c.AppendAnswer(nil, requestID, nil, []byte("b"), true)
	if m, err := c.Feed(in[n:], r); m != len(in)-len(first)-3 || err != nil || len(r.heads) != 2 {
		t.Fatal(m, err, len(r.heads))
	}
	c.AppendAnswer(nil, requestID, ok(0), nil, true)
	if !c.Idle() {
		t.Error("not idle between requests")
	}
	if n, err := c.Feed([]byte("GET"), r); n != 3 || err != nil || c.Idle() {
		t.Error("the beginning of a head must be taken, and is not idle:", n, err, c.Idle())
	}
}

// Back-pressure: what the sink has no room for stays with the caller.
func TestFullSink(t *testing.T) {
	for _, in := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789",
		chunked("4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"),
	} {
		c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
		r.room = 0
		rest, steps := []byte(in), 0
		for len(rest) > 0 {
			n, err := c.Feed(rest, r)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			r.room = 3
			if steps++; steps > 20 {
				t.Fatalf("no progress: %q is left", rest)
			}
		}
		if r.bodies[0] != "0123456789" || r.events[len(r.events)-1] != "end" {
			t.Errorf("%q, %q", r.bodies, r.events)
		}
	}
}

func TestEOF(t *testing.T) {
	tests := []struct {
		name, in, event string
		fault           bool
	}{
		{"before anything", "", "", false},
		{"between requests", get + "\r\n", "end", false},
		{"within the request line", "GET /", "", true},
		{"within the fields", get, "", true},
		{"within a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello", "abort: unexpected EOF", false},
		{"before a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", "abort: unexpected EOF", false},
		{"within a chunk", chunked("9\r\nhello"), "abort: unexpected EOF", false},
		{"within a chunk size", chunked("9"), "abort: unexpected EOF", false},
		{"before the last chunk", chunked("5\r\nhello\r\n"), "abort: unexpected EOF", false},
		{"before the final line end", chunked("5\r\nhello\r\n0\r\n"), "abort: unexpected EOF", false},
		{"within the final line end", chunked("5\r\nhello\r\n0\r\n\r"), "abort: unexpected EOF", false},
		{"within a trailer", chunked("0\r\nX: y"), "abort: unexpected EOF", false},
	}
	for _, tt := range tests {
		r, _, err := serve(t, plainConfig, netip.AddrPort{}, tt.in, whole)
		if (err != nil) != tt.fault {
			t.Errorf("%s: error %v", tt.name, err)
		}
		last := ""
		if len(r.events) > 0 {
			last = r.events[len(r.events)-1]
		}
		if last != tt.event || r.reply != "" {
			t.Errorf("%s: last event %q, want %q; reply %q", tt.name, last, tt.event, r.reply)
		}
	}
}

// A peer that ends its side behind a complete request still gets the answer.
func TestHalfClose(t *testing.T) {
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	if _, err := c.Feed([]byte(get+"\r\n"), r); err != nil {
		t.Fatal(err)
	}
	if err := c.EOF(r); err != nil {
		t.Fatal(err)
	}
	if out := c.AppendAnswer(nil, requestID, ok(2), []byte("hi"), true); !strings.HasSuffix(string(out), "\r\n\r\nhi") {
		t.Errorf("%q", out)
	}
}

// answered feeds one request and returns its answer on the wire.
func answered(t *testing.T, in string, h *cgi.AnswerHead, body ...string) (string, *Codec) {
	t.Helper()
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	if _, err := c.Feed([]byte(in), r); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i, b := range body {
		out = c.AppendAnswer(out, requestID, h, []byte(b), i == len(body)-1)
		h = nil
	}
	return string(out), c
}

func TestAnswers(t *testing.T) {
	unknown := func(status int) *cgi.AnswerHead { return &cgi.AnswerHead{Status: status, ContentLength: -1} }
	noBody := func(status int, n int64) *cgi.AnswerHead {
		return &cgi.AnswerHead{Status: status, ContentLength: n, NoLength: n < 0, NoBody: true}
	}
	get10 := "GET / HTTP/1.0\r\n\r\n"
	kept10 := "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	head := "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
	tests := []struct {
		name, in string
		h        *cgi.AnswerHead
		body     []string
		want     string
		keep     bool
	}{
		{"length", get + "\r\n", ok(2), []string{"hi"}, "HTTP/1.1 200 OK|Content-Length: 2||hi", true},
		{"pieces", get + "\r\n", ok(3), []string{"a", "b", "c", ""}, "HTTP/1.1 200 OK|Content-Length: 3||abc", true},
		{"chunks", get + "\r\n", unknown(200), []string{"a", "0123456789abcdef", ""},
			"HTTP/1.1 200 OK|Transfer-Encoding: chunked||1|a|10|0123456789abcdef|0||", true},
		{"whole at once", get + "\r\n", unknown(200), []string{"hi"}, "HTTP/1.1 200 OK|Content-Length: 2||hi", true},
		{"1.0", get10, ok(2), []string{"hi"}, "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||hi", false},
		{"1.0 kept", kept10, ok(2), []string{"hi"}, "HTTP/1.1 200 OK|Content-Length: 2|Connection: keep-alive||hi", true},
		{"1.0 without length", kept10, unknown(200), []string{"a", "b"}, "HTTP/1.1 200 OK|Connection: close||ab", false},
		{"asked to close", get + "Connection: close\r\n\r\n", ok(0), []string{""}, "HTTP/1.1 200 OK|Content-Length: 0|Connection: close||", false},
		{"wants to close", get + "\r\n", &cgi.AnswerHead{Status: 200, Close: true}, []string{""}, "HTTP/1.1 200 OK|Content-Length: 0|Connection: close||", false},
		{"head", head, ok(12), []string{""}, "HTTP/1.1 200 OK|Content-Length: 12||", true},
		{"head with a body nobody cut", head, ok(2), []string{"hi"}, "HTTP/1.1 200 OK|Content-Length: 2||", true},
		{"head without length", head, noBody(200, -1), []string{""}, "HTTP/1.1 200 OK||", true},
		{"head without length, nobody looked", head, unknown(200), []string{""}, "HTTP/1.1 200 OK||", true},
		{"304 without length, nobody looked", get + "\r\n", unknown(304), []string{""}, "HTTP/1.1 304 Not Modified||", true},
		{"204", get + "\r\n", noBody(204, 0), []string{""}, "HTTP/1.1 204 No Content||", true},
		{"304", get + "\r\n", noBody(304, -1), []string{""}, "HTTP/1.1 304 Not Modified||", true},
		{"length only among the fields", get + "\r\n", &cgi.AnswerHead{Status: 200, ContentLength: -1, Fields: []cgi.Var{{Name: "content-length", Value: "2"}}},
			[]string{"h", "i"}, "HTTP/1.1 200 OK|Content-Length: 2||hi", true},
		{"fields of the connection", get + "\r\n", &cgi.AnswerHead{Status: 200, Fields: []cgi.Var{
			{Name: "Connection", Value: "close"}, {Name: "Transfer-Encoding", Value: "chunked"}, {Name: "Upgrade", Value: "x"},
			{Name: "Keep-Alive", Value: "5"}, {Name: "Trailer", Value: "x"}, {Name: "Status", Value: "200"},
			{Name: "X-Y", Value: "z"}, {Name: "X-Split", Value: "a\r\nSet-Cookie: b"}, {Name: "X Y", Value: "z"},
		}}, []string{""}, "HTTP/1.1 200 OK|X-Y: z|Content-Length: 0||", true},
		{"two cookies", get + "\r\n", &cgi.AnswerHead{Status: 200, Fields: []cgi.Var{
			{Name: "Set-Cookie", Value: "a=1"}, {Name: "Set-Cookie", Value: "b=2"},
		}}, []string{""}, "HTTP/1.1 200 OK|Set-Cookie: a=1|Set-Cookie: b=2|Content-Length: 0||", true},
		{"early, small rest", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", ok(0), []string{""}, "HTTP/1.1 200 OK|Content-Length: 0||", true},
		{"early, large rest", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n", ok(0), []string{""},
			"HTTP/1.1 200 OK|Content-Length: 0|Connection: close||", false},
		{"early, client waits for 100", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", ok(0), []string{""},
			"HTTP/1.1 200 OK|Content-Length: 0|Connection: close||", false},
	}
	for _, tt := range tests {
		out, c := answered(t, tt.in, tt.h, tt.body...)
		if got := strings.ReplaceAll(out, "\r\n", "|"); got != tt.want || c.KeepAlive() != tt.keep {
			t.Errorf("%s: got %q, keep-alive %v; want %q, %v", tt.name, got, c.KeepAlive(), tt.want, tt.keep)
		}
		method, _, _ := strings.Cut(tt.in, " ")
		r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(out)), &http.Request{Method: method})
		if err != nil {
			t.Errorf("%s: net/http does not understand it: %v", tt.name, err)
			continue
		}
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Errorf("%s: net/http reads the body: %v", tt.name, err)
		}
	}
}

func TestDrain(t *testing.T) {
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	in := []byte(get + "\r\n")
	for i := range 2 {
		if _, err := c.Feed(in, r); err != nil {
			t.Fatal(err)
		}
		out := string(c.AppendAnswer(nil, requestID, ok(0), nil, true))
		if drained := i == 1; strings.Contains(out, "Connection: close") != drained || c.KeepAlive() == drained {
			t.Errorf("answer %d: %q, keep-alive %v", i, out, c.KeepAlive())
		}
		c.Drain()
	}
}

func TestContinue(t *testing.T) {
	in := "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	if _, err := c.Feed([]byte(in), r); err != nil || !r.heads[0].Expect {
		t.Fatal(err)
	}
	if out := string(c.AppendContinue(nil, requestID)); out != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("%q", out)
	}
	if out := string(c.AppendContinue(nil, requestID)); out != "" {
		t.Errorf("a second time: %q", out)
	}
	if _, err := c.Feed([]byte("hi"), r); err != nil || r.bodies[0] != "hi" {
		t.Fatal(err)
	}
	if out := c.AppendAnswer(nil, requestID, ok(0), nil, true); strings.Contains(string(out), "close") || !c.KeepAlive() {
		t.Errorf("%q", out)
	}
	for name, in := range map[string]string{
		"1.0":          "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
		"no body":      get + "Expect: 100-continue\r\n\r\n",
		"body is here": in + "h",
	} {
		c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
		if _, err := c.Feed([]byte(in), r); err != nil {
			t.Fatal(err)
		}
		if out := string(c.AppendContinue(nil, requestID)); out != "" {
			t.Errorf("%s: %q", name, out)
		}
	}
}

func TestUpgrade(t *testing.T) {
	in := get + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	frame := "\x81\x05hello"
	n, err := c.Feed([]byte(in+frame), r)
	if n != len(in) || err != nil || !r.heads[0].Upgrade {
		t.Fatal(n, err)
	}
	h := &cgi.AnswerHead{Status: 101, ContentLength: -1, Fields: []cgi.Var{
		{Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"},
	}}
	out := string(c.AppendAnswer(nil, requestID, h, nil, false))
	if want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if n, err := c.Feed([]byte(frame), r); n != len(frame) || err != nil || r.bodies[0] != frame {
		t.Error(n, err, r.bodies)
	}
	if out := string(c.AppendAnswer(nil, requestID, nil, []byte(frame), false)); out != frame {
		t.Errorf("%q", out)
	}
	if c.KeepAlive() || c.Idle() {
		t.Error("a tunnel is neither kept nor idle")
	}
	if err := c.EOF(r); err != nil || r.events[len(r.events)-1] != "end" {
		t.Error(err, r.events)
	}
	if out := string(c.AppendAnswer(nil, requestID, nil, []byte("bye"), true)); out != "bye" {
		t.Errorf("after the peer ended its side: %q", out)
	}
	for name, in := range map[string]string{
		"1.0":           "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"no Connection": get + "Upgrade: websocket\r\n\r\n",
		"no Upgrade":    get + "Connection: upgrade\r\n\r\n",
		"with a body":   get + "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
	} {
		c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
		if _, err := c.Feed([]byte(in), r); err != nil || r.heads[0].Upgrade {
			t.Errorf("%s: %v, an upgrade is offered: %v", name, err, r.heads[0].Upgrade)
		}
	}
}

// The body of a request that was answered early is thrown away, up to a limit.
func TestDiscard(t *testing.T) {
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	if _, err := c.Feed([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"), r); err != nil {
		t.Fatal(err)
	}
	c.AppendAnswer(nil, requestID, ok(0), nil, true)
	if c.Idle() {
		t.Error("idle with a body on its way")
	}
	in := "defghi" + get + "\r\n"
	if n, err := c.Feed([]byte(in), r); n != len(in) || err != nil || len(r.heads) != 2 || r.bodies[0] != "abc" {
		t.Error(n, err, r.events, r.bodies)
	}

	c, r = NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	if _, err := c.Feed([]byte(chunked("")), r); err != nil {
		t.Fatal(err)
	}
	c.AppendAnswer(nil, requestID, ok(0), nil, true)
	piece := []byte("10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n")
	total := 0
	for range 100 {
		n, err := c.Feed(piece, r)
		total += n
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if total < maxDiscard || total > 2*maxDiscard || c.KeepAlive() {
		t.Errorf("%d bytes were read, keep-alive %v", total, c.KeepAlive())
	}
}

// A broken body is answered if that is still possible.
func TestBrokenBody(t *testing.T) {
	for _, begun := range []bool{false, true} {
		c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
		if _, err := c.Feed([]byte(chunked("5\r\nhello\r\n")), r); err != nil {
			t.Fatal(err)
		}
		if begun {
			c.AppendAnswer(nil, requestID, &cgi.AnswerHead{Status: 200, ContentLength: -1}, []byte("x"), false)
		}
		_, err := c.Feed([]byte("x\r\n"), r)
		fault, is := errors.AsType[*cgi.Error](err)
		if !is || (fault.Status == 0) != begun || strings.HasPrefix(r.reply, "HTTP/1.1 400 ") == begun {
			t.Errorf("begun %v: %v (%+v), reply %q", begun, err, fault, r.reply)
		}
		if last := r.events[len(r.events)-1]; !strings.HasPrefix(last, "abort: http: ") {
			t.Errorf("last event %q", last)
		}
		if out := c.AppendAnswer(nil, requestID, ok(0), nil, true); len(out) != 0 {
			t.Errorf("an answer after the refusal: %q", out)
		}
	}
}

func TestAbort(t *testing.T) {
	c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
	if _, err := c.Feed([]byte(get+"\r\n"), r); err != nil {
		t.Fatal(err)
	}
	c.AppendAnswer(nil, requestID, &cgi.AnswerHead{Status: 200, ContentLength: -1}, []byte("x"), false)
	if out, closing := c.AppendAbort(nil, requestID); len(out) != 0 || !closing || c.KeepAlive() {
		t.Errorf("%q, closing %v", out, closing)
	}
}
