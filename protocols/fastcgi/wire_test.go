package fastcgi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// rec is a record for tests: any type, any padding, junk in it.
func rec(typ byte, id uint16, content []byte, padding int) []byte {
	p := []byte{version, typ, byte(id >> 8), byte(id), byte(len(content) >> 8), byte(len(content)), byte(padding), 0xAA}
	p = append(p, content...)
	return append(p, bytes.Repeat([]byte{0xEE}, padding)...)
}

// open is a request up to the end of its params.
func open(id uint16, flags byte, nv ...string) []byte {
	return join(begin(id, roleResponder, flags), rec(typeParams, id, pairs(nv...), 0), rec(typeParams, id, nil, 0))
}

// Each case is fed whole and cut at every byte; the events may not differ.
func TestWire(t *testing.T) {
	post := func(length string) []byte {
		return open(1, flagKeepConn, "REQUEST_METHOD", "POST", "REQUEST_URI", "/p", "CONTENT_LENGTH", length)
	}
	in := func(p ...string) []byte {
		var out []byte
		for _, s := range p {
			out = append(out, rec(typeStdin, 1, []byte(s), 0)...)
		}
		return out
	}
	long := []byte{0x80, 0, 0, 1, 0x80, 0, 0, 1, 'a', 'b'} // long spelling of short lengths
	for _, tc := range []struct {
		name   string
		wire   []byte
		events string
		reply  string // the beginning of the first reply's content, "END n" for a bare END_REQUEST
		err    string
		notes  int
	}{
		{"body", join(post("5"), in("hel", "lo", "")), "head 1 3 /p;end 1 \"hello\"", "", "", 0},
		{"padding", join(post("5"), rec(typeStdin, 1, []byte("hello"), 255), rec(typeStdin, 1, nil, 255)), "head 1 3 /p;end 1 \"hello\"", "", "", 0},
		{"unknown length", join(post(""), in("hello", "")), "head 1 3 /p;end 1 \"hello\"", "", "", 0},
		{"length -1", join(post("-1"), in("hello", "")), "head 1 3 /p;end 1 \"hello\"", "", "", 0},
		{"two ends", join(post("5"), in("hello", "", "")), "head 1 3 /p;end 1 \"hello\"", "", "", 0},
		{"data behind the end", join(post("5"), in("hello", "", "more", "more")), "head 1 3 /p;end 1 \"hello\"", "", "", 1},
		{"too much body", join(post("3"), in("hel", "lo", "and more", "")), "head 1 3 /p;end 1 \"hel\"", "", "", 1},
		{"too much in one record", join(post("3"), in("hello", "")), "head 1 3 /p;end 1 \"hel\"", "", "", 1},
		{"too little body", join(post("9"), in("hello", "")), "head 1 3 /p;abort 1 \"hello\": unexpected EOF", "", "", 0},
		{"length +5", join(post("+5"), in("hello", "")), "", "Status: 400 Bad Request", "", 1},
		{"length 5,5", join(post("5,5"), in("hello", "")), "", "Status: 400 Bad Request", "", 1},
		{"abort in the body", join(post("5"), in("he"), rec(typeAbortRequest, 1, nil, 0), in("llo", "")), "head 1 3 /p;abort 1 \"he\": the front aborted the request", "", "", 0},
		{"abort twice", join(post("0"), in(""), rec(typeAbortRequest, 1, nil, 0), rec(typeAbortRequest, 1, nil, 3)), "head 1 3 /p;end 1 \"\";abort 1 \"\": the front aborted the request", "", "", 0},
		{"abort in the params", join(begin(1, 1, 1), rec(typeAbortRequest, 1, nil, 0), in("")), "", "END 0", "", 0},
		{"abort in the params, no keep", join(begin(1, 1, 0), rec(typeAbortRequest, 1, nil, 0)), "", "END 0", "EOF", 0},
		{"abort of nobody", rec(typeAbortRequest, 1, nil, 0), "", "", "", 0},
		{"strangers", join(in("x", ""), rec(typeParams, 9, pairs("a", "b"), 1), rec(typeData, 3, []byte("x"), 0), post("0"), in("")), "head 1 3 /p;end 1 \"\"", "", "", 0},
		{"DATA", join(post("0"), rec(typeData, 1, []byte("x"), 0), in("")), "head 1 3 /p;end 1 \"\"", "", "", 0},
		{"params behind their end", join(post("0"), rec(typeParams, 1, pairs("a", "b"), 0), in("")), "head 1 3 /p;end 1 \"\"", "", "", 1},
		{"no params", join(begin(1, 1, 1), rec(typeParams, 1, nil, 0), in("")), "head 1 0 ;end 1 \"\"", "", "", 0},
		{"long lengths", join(begin(1, 1, 1), rec(typeParams, 1, long, 0), rec(typeParams, 1, nil, 0), in("")), "head 1 1 ;end 1 \"\"", "", "", 0},
		{"no name", join(open(1, 1, "", "x", "REQUEST_URI", "/n"), in("")), "head 1 1 /n;end 1 \"\"", "", "", 0},
		{"name of 127", join(open(1, 1, strings.Repeat("n", 127), strings.Repeat("v", 128)), in("")), "head 1 1 ;end 1 \"\"", "", "", 0},
		{"name of 128", join(open(1, 1, strings.Repeat("n", 128), strings.Repeat("v", 127)), in("")), "head 1 1 ;end 1 \"\"", "", "", 0},
		{"truncated pair", join(begin(1, 1, 1), rec(typeParams, 1, []byte("\x05\x05abc"), 0), rec(typeParams, 1, nil, 0)), "", "Status: 400 Bad Request", "fastcgi: params of request 1: a pair is longer than its stream", 0},
		{"half a length", join(begin(1, 1, 1), rec(typeParams, 1, []byte("\x80\x00"), 0), rec(typeParams, 1, nil, 0)), "", "Status: 400 Bad Request", "fastcgi: params of request 1: a pair is longer than its stream", 0},
		{"lengths that wrap", join(begin(1, 1, 1), rec(typeParams, 1, []byte("\xff\xff\xff\xff\xff\xff\xff\xffab"), 0), rec(typeParams, 1, nil, 0)), "", "Status: 400 Bad Request", "fastcgi: params of request 1: a pair is longer than its stream", 0},
		{"NUL in a value", open(1, 1, "A", "a\x00b"), "", "Status: 400 Bad Request", "fastcgi: params of request 1: a NUL byte in a pair", 0},
		{"STDIN too early", join(begin(1, 1, 1), in("x")), "", "Status: 400 Bad Request", "fastcgi: request 1: STDIN before the end of PARAMS", 0},
		{"authorizer", join(begin(1, 2, 1), in("")), "", "END 3", "", 1},
		{"filter, no keep", begin(1, 3, 0), "", "END 3", "fastcgi: request 1 asks for role 3", 0},
		{"role 0", begin(1, 0, 1), "", "END 3", "", 1},
		{"role 9 x 256", begin(1, 9<<8|1, 1), "", "END 3", "", 1},
		{"begin with id 0", begin(0, 1, 1), "", "", "fastcgi: BEGIN_REQUEST with id 0", 0},
		{"begin of 7", rec(typeBeginRequest, 1, make([]byte, 7), 0), "", "", "fastcgi: BEGIN_REQUEST of 7 bytes", 0},
		{"begin of 9", rec(typeBeginRequest, 1, make([]byte, 9), 0), "", "", "fastcgi: BEGIN_REQUEST of 9 bytes", 0},
		{"begin twice", join(begin(1, 1, 1), begin(1, 1, 1)), "", "", "fastcgi: BEGIN_REQUEST for request 1, which is active", 0},
		{"id 65535", join(begin(65535, 1, 1), rec(typeParams, 65535, nil, 0), rec(typeStdin, 65535, nil, 0)), "head 65535 0 ;end 65535 \"\"", "", "", 0},
		{"unknown type", rec(77, 0, []byte("abc"), 5), "", "M\x00\x00\x00\x00\x00\x00\x00", "", 0},
		{"unknown type of a request", rec(255, 1, nil, 0), "", "", "fastcgi: a record of type 255 for request 1", 0},
		{"STDOUT from a front", rec(typeStdout, 1, nil, 0), "", "", "fastcgi: a record of type 6 for request 1", 0},
		{"version 0", []byte("\x00\x01\x00\x01"), "", "", "fastcgi: version 0 where a record of version 1 should begin", 0},
		{"version 2", join(post("0"), []byte("\x02")), "head 1 3 /p", "", "fastcgi: version 2 where a record of version 1 should begin", 0},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), "", "", "fastcgi: version 71 where a record of version 1 should begin", 0},
		{"values in between", join(post("5"), in("he"), rec(typeGetValues, 0, pairs(mpxsConn, ""), 0), in("llo", "")), "head 1 3 /p;end 1 \"hello\"", "\x0f\x01FCGI_MPXS_CONNS1", "", 0},
		{"values cut", rec(typeGetValues, 0, append(pairs(mpxsConn, ""), 9), 0), "", "\x0f\x01FCGI_MPXS_CONNS1", "", 1},
	} {
		for cut := range len(tc.wire) {
			c, r := NewCodec(cgi.Limits{}), newRecorder()
			err := feed(c, r, tc.wire, cut)
			if got := strings.Join(r.events, ";"); got != tc.events {
				t.Errorf("%s, cut at %d: events\n got %s\nwant %s", tc.name, cut, got, tc.events)
			}
			if got := firstReply(r.reply); !strings.HasPrefix(got, tc.reply) || (got == "") != (tc.reply == "") {
				t.Errorf("%s, cut at %d: reply %q, want %q", tc.name, cut, got, tc.reply)
			}
			if got := fmt.Sprint(err); got != tc.err && (err != nil || tc.err != "") {
				t.Errorf("%s, cut at %d: error %q, want %q", tc.name, cut, got, tc.err)
			}
			if len(r.notes) != tc.notes {
				t.Errorf("%s, cut at %d: notes %q, want %d", tc.name, cut, r.notes, tc.notes)
			}
			if t.Failed() {
				return
			}
		}
	}
}

// firstReply is the content of the first record of a reply.
func firstReply(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	h := parseHeader(p)
	content := p[headerLen : headerLen+h.content]
	if h.typ == typeEndRequest {
		return fmt.Sprintf("END %d", content[4])
	}
	return string(content)
}

// A refusal is an answer that a client can read.
func TestRefusalIsComplete(t *testing.T) {
	c, r := NewCodec(cgi.Limits{Params: 500}), newRecorder()
	nv := []string{"REQUEST_METHOD", "GET", "HTTP_COOKIE", strings.Repeat("c", 400), "HTTP_X", strings.Repeat("x", 100)}
	wire := join(open(1, flagKeepConn, nv...), rec(typeStdin, 1, []byte("body"), 0), rec(typeStdin, 1, nil, 0), get(1, flagKeepConn, "/next"))
	for cut := range len(wire) {
		*r = *newRecorder()
		c.Reset()
		if err := feed(c, r, wire, cut); err != nil {
			t.Fatal(err)
		}
		var client Client
		if n, err := client.Feed(r.reply); n != len(r.reply) || err != nil {
			t.Fatalf("cut at %d: the client took %d of %d bytes: %v", cut, n, len(r.reply), err)
		}
		a := client.Next()
		if a == nil || a.Err != nil || a.Head.Status != 431 || string(a.Body) != "431 Request Header Fields Too Large\n" {
			t.Fatalf("cut at %d: answer %+v", cut, a)
		}
		want := `fastcgi: params of request 1 are over the limit of 500 bytes; the biggest: "HTTP_COOKIE" 411 bytes, "HTTP_X" 106 bytes, "REQUEST_METHOD" 17 bytes`
		if len(r.notes) != 1 || r.notes[0] != want {
			t.Fatalf("cut at %d: notes %q\nwant %q", cut, r.notes, want)
		}
		if want := "head 1 3 /next\nend 1 \"\""; r.String() != want {
			t.Fatalf("cut at %d: events %q, want %q: the connection goes on", cut, r, want)
		}
	}
}

// Params up to the limit pass, in records that cut pairs; one byte more does not.
func TestParamsLimit(t *testing.T) {
	for extra := range 2 {
		block := pairs("HTTP_COOKIE", "")
		block = pairs("HTTP_COOKIE", strings.Repeat("c", defaultParams-len(block)-3+extra))
		if len(block) != defaultParams+extra {
			t.Fatalf("the block has %d bytes", len(block))
		}
		wire := join(begin(1, 1, 1), appendStream(nil, typeParams, 1, block), rec(typeParams, 1, nil, 0), rec(typeStdin, 1, nil, 0))
		c, r := NewCodec(cgi.Limits{}), newRecorder()
		if err := feed(c, r, wire, 1000, 40000, 500000); err != nil {
			t.Fatal(err)
		}
		if got, want := len(r.heads), 1-extra; got != want {
			t.Errorf("%d bytes over the limit: %d requests, want %d; notes %q", extra, got, want, r.notes)
		}
	}
}

// More requests than the front was told are served all the same, because it may have
// forgotten some of them; far more get a 503 and the others go on.
func TestStreams(t *testing.T) {
	for _, tc := range []struct{ told, served int }{{1, 100}, {0, 400}, {200, 800}} {
		c, r := NewCodec(cgi.Limits{Streams: tc.told}), newRecorder()
		for id := range uint16(tc.served + 1) {
			if err := feed(c, r, get(id+1, 1, "/")); err != nil {
				t.Fatal(err)
			}
		}
		if got := firstReply(r.reply); len(r.heads) != tc.served || !strings.HasPrefix(got, "Status: 503 Service Unavailable\r\n") {
			t.Errorf("told %d: %d requests, reply %q", tc.told, len(r.heads), got)
		}
	}
}

// With multiplexing off a request beside another is answered in full, and the front
// told to stop it; one that follows another is not.
func TestBeside(t *testing.T) {
	c, r := NewCodec(cgi.Limits{Streams: 1}), newRecorder()
	if err := feed(c, r, join(get(1, 1, "/a"), get(2, 1, "/b"))); err != nil {
		t.Fatal(err)
	}
	wire := c.AppendAnswer(nil, 2, okHead(2), []byte("ok"), true)
	wire = c.AppendAnswer(wire, 1, okHead(2), []byte("ok"), true)
	if err := feed(c, r, get(3, 1, "/c")); err != nil {
		t.Fatal(err)
	}
	wire = c.AppendAnswer(wire, 3, okHead(2), []byte("ok"), true)
	var client Client
	if _, err := client.Feed(wire); err != nil || len(r.reply) > 0 {
		t.Fatalf("Feed: %v; reply %x", err, r.reply)
	}
	for _, want := range []struct {
		id     uint16
		status uint8
	}{{2, CantMultiplex}, {1, RequestComplete}, {3, RequestComplete}} {
		a := client.Next()
		if a == nil || a.Err != nil || a.ID != want.id || a.ProtocolStatus != want.status || string(a.Body) != "ok" {
			t.Errorf("got %+v, want request %d with status %d", a, want.id, want.status)
		}
	}
}

// Many requests whose params never end cost four times the limit of one, not more.
func TestUnfinishedParams(t *testing.T) {
	c, r := NewCodec(cgi.Limits{Params: 1000}), newRecorder()
	var wire []byte
	for id := range uint16(100) {
		wire = join(wire, begin(id+1, 1, 1), rec(typeParams, id+1, make([]byte, 500), 0))
	}
	if err := feed(c, r, wire); err != nil {
		t.Fatal(err)
	}
	if c.kept != 4000 || len(c.streams) != 8 || len(r.notes) != 92 {
		t.Errorf("%d bytes kept for %d requests, %d notes; want 4000, 8, 92", c.kept, len(c.streams), len(r.notes))
	}
	if c.Reset(); c.kept != 0 {
		t.Errorf("%d bytes kept after Reset", c.kept)
	}
}

// An id is free after its answer, whatever still arrives of the old request, and
// an abort that comes too late does not hit the next one.
func TestIDReuse(t *testing.T) {
	c, r := NewCodec(cgi.Limits{}), newRecorder()
	step := func(p ...[]byte) {
		t.Helper()
		if err := feed(c, r, join(p...)); err != nil {
			t.Fatal(err)
		}
	}
	step(open(40000, 1, "REQUEST_URI", "/a", "CONTENT_LENGTH", "5"), rec(typeStdin, 40000, []byte("he"), 0))
	c.AppendAnswer(nil, 40000, &cgi.AnswerHead{Status: 413}, nil, true) // early
	step(rec(typeStdin, 40000, []byte("llo"), 0), rec(typeStdin, 40000, nil, 0), AppendAbortRequest(nil, 40000))
	step(get(40000, 1, "/b"))
	c.AppendAnswer(nil, 40000, &cgi.AnswerHead{Status: 200, ContentLength: 4}, []byte("ab"), false)
	step(AppendAbortRequest(nil, 40000)) // mid-response
	want := "head 40000 2 /a\nhead 40000 3 /b\nend 40000 \"\"\nabort 40000 \"\": the front aborted the request"
	if r.String() != want || len(r.reply) > 0 {
		t.Errorf("events\n got %s\nwant %s", r, want)
	}
	if out, closing := c.AppendAbort(nil, 40000); !bytes.Equal(out, appendEnd(nil, 40000, 0, 0)) || closing || !c.Idle() {
		t.Errorf("AppendAbort = %x, %v, idle %v", out, closing, c.Idle())
	}
}

// 1000 requests on one connection, their bodies interleaved byte by byte.
func TestInterleaved(t *testing.T) {
	const n = 1000
	c, r := NewCodec(cgi.Limits{Streams: n}), newRecorder()
	var wire []byte
	for id := range uint16(n) {
		wire = append(wire, open(id+1, 1, "CONTENT_LENGTH", "3")...)
	}
	for _, s := range []string{"a", "b", "c", ""} {
		for id := range uint16(n) {
			wire = append(wire, rec(typeStdin, id+1, []byte(s), 0)...)
		}
	}
	if err := feed(c, r, wire); err != nil {
		t.Fatal(err)
	}
	for id := range uint16(n) {
		if got := string(r.bodies[id+1]); got != "abc" {
			t.Fatalf("body of request %d is %q", id+1, got)
		}
		c.AppendAnswer(nil, id+1, &cgi.AnswerHead{Status: 204}, nil, true)
	}
	if len(r.events) != 2*n || !c.Idle() {
		t.Errorf("%d events, want %d; idle %v", len(r.events), 2*n, c.Idle())
	}
}

func TestEOF(t *testing.T) {
	wire := join(open(1, flagKeepConn, "CONTENT_LENGTH", "5"), rec(typeStdin, 1, []byte("hello"), 0), rec(typeStdin, 1, nil, 0))
	params := len(open(1, flagKeepConn, "CONTENT_LENGTH", "5"))
	for cut := range len(wire) + 1 {
		c, r := NewCodec(cgi.Limits{}), newRecorder()
		if err := feed(c, r, wire[:cut]); err != nil {
			t.Fatal(err)
		}
		err := c.EOF(r)
		switch {
		case cut < 16: // no request yet
			if err != nil || len(r.reply) > 0 {
				t.Errorf("EOF after %d bytes: %v, reply %q", cut, err, r.reply)
			}
		case cut < params:
			if e, ok := errors.AsType[*cgi.Error](err); !ok || e.Status != 400 || !strings.HasPrefix(firstReply(r.reply), "Status: 400 ") {
				t.Errorf("EOF after %d bytes: %v, reply %q", cut, err, r.reply)
			}
		case cut < len(wire):
			if last := r.events[len(r.events)-1]; err != nil || !strings.HasSuffix(last, io.ErrUnexpectedEOF.Error()) {
				t.Errorf("EOF after %d bytes: %v, %s", cut, err, r)
			}
		default:
			if err != nil || r.events[len(r.events)-1] != `end 1 "hello"` || !c.KeepAlive() {
				t.Errorf("EOF at the end: %v, %s, keep %v", err, r, c.KeepAlive())
			}
		}
	}
}

// A sink that takes little gets every byte once, in order.
func TestBackPressure(t *testing.T) {
	body := strings.Repeat("0123456789", 1000)
	wire := join(open(1, 1, "CONTENT_LENGTH", "9999"), rec(typeStdin, 1, []byte(body), 7), rec(typeStdin, 1, nil, 0))
	c, r := NewCodec(cgi.Limits{}), newRecorder()
	calls := 0
	r.full = func(n int) int { calls++; return min(n, calls%2*777) }
	for len(wire) > 0 {
		n, err := c.Feed(wire, r)
		if err != nil {
			t.Fatal(err)
		}
		wire = wire[n:]
	}
	if got := string(r.bodies[1]); got != body[:9999] || len(r.notes) != 1 {
		t.Errorf("body of %d bytes, notes %q", len(got), r.notes)
	}
}
