package fastcgi

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// recorder is a sink that writes down what it is told, one event a line. Body
// bytes are collected and written down when the body ends, so that the record
// does not depend on how the bytes were cut.
type recorder struct {
	events []string
	heads  map[uint16]*cgi.Head
	bodies map[uint16][]byte
	reply  []byte
	notes  []string
	full   func(n int) int // how much of n bytes of body to take; nil takes all
}

func newRecorder() *recorder {
	return &recorder{heads: map[uint16]*cgi.Head{}, bodies: map[uint16][]byte{}}
}

func (r *recorder) log(format string, args ...any) {
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) Head(id uint16, h *cgi.Head) {
	r.heads[id] = h
	r.bodies[id] = nil
	uri := h.Vars.Get("REQUEST_URI")
	r.log("head %d %d %s", id, len(h.Vars), uri)
}

func (r *recorder) Body(id uint16, p []byte) int {
	n := len(p)
	if r.full != nil {
		n = r.full(n)
	}
	r.bodies[id] = append(r.bodies[id], p[:n]...)
	return n
}

func (r *recorder) End(id uint16) { r.log("end %d %q", id, short(r.bodies[id])) }
func (r *recorder) Abort(id uint16, cause error) {
	r.log("abort %d %q: %v", id, short(r.bodies[id]), cause)
}
func (r *recorder) Reply(p []byte)   { r.reply = append(r.reply, p...) }
func (r *recorder) Note(text string) { r.notes = append(r.notes, text) }

func short(p []byte) string {
	if len(p) > 40 {
		return fmt.Sprintf("%s...%d", p[:40], len(p))
	}
	return string(p)
}

func (r *recorder) String() string { return strings.Join(r.events, "\n") }

// begin is a BEGIN_REQUEST for tests.
func begin(id uint16, role int, flags byte) []byte {
	return appendRecord(nil, typeBeginRequest, id, []byte{byte(role >> 8), byte(role), flags, 0, 0, 0, 0, 0})
}

// pairs encodes names and values in turn.
func pairs(nv ...string) []byte {
	var p []byte
	for i := 0; i < len(nv); i += 2 {
		p = appendPair(p, nv[i], nv[i+1])
	}
	return p
}

func join(p ...[]byte) []byte { return bytes.Join(p, nil) }

// get is a whole request without a body.
func get(id uint16, flags byte, uri string) []byte {
	return join(begin(id, roleResponder, flags),
		appendRecord(nil, typeParams, id, pairs("REQUEST_METHOD", "GET", "REQUEST_URI", uri, "CONTENT_LENGTH", "")),
		appendRecord(nil, typeParams, id, nil),
		appendRecord(nil, typeStdin, id, nil))
}

func TestGet(t *testing.T) {
	c, r := NewCodec(cgi.Limits{}), newRecorder()
	wire := get(1, flagKeepConn, "/a")
	for range 3 {
		n, err := c.Feed(wire, r)
		if n != len(wire) || err != nil {
			t.Fatalf("Feed = %d, %v; want %d, nil", n, err, len(wire))
		}
		if h := r.heads[1]; h.ContentLength != 0 || !h.KeepAlive {
			t.Errorf("ContentLength %d, KeepAlive %v; want 0, true", h.ContentLength, h.KeepAlive)
		}
		if c.Idle() {
			t.Error("idle before the answer")
		}
		h := &cgi.AnswerHead{Status: 200, Fields: []cgi.Var{{Name: "Content-Type", Value: "text/plain"}}, ContentLength: 2}
		got := c.AppendAnswer([]byte("x"), 1, h, []byte("ok"), true)
		text := "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
		want := join([]byte("x"), appendRecord(nil, typeStdout, 1, []byte(text)),
			appendRecord(nil, typeStdout, 1, nil), appendEnd(nil, 1, 0, 0))
		if !bytes.Equal(got, want) {
			t.Errorf("answer\n got %q\nwant %q", got, want)
		}
		if !c.Idle() || !c.KeepAlive() {
			t.Errorf("Idle %v, KeepAlive %v after the answer; want true, true", c.Idle(), c.KeepAlive())
		}
	}
	if want := strings.Repeat("head 1 3 /a\nend 1 \"\"\n", 3); r.String()+"\n" != want {
		t.Errorf("events\n got %s\nwant %s", r, want)
	}
}

func TestGetValues(t *testing.T) {
	for _, tc := range []struct {
		limits cgi.Limits
		asked  []byte
		want   []byte
	}{
		{cgi.Limits{}, pairs(maxReqs, "", mpxsConn, ""), pairs(maxReqs, "100", mpxsConn, "1")},
		{cgi.Limits{Streams: 1, Conns: 7}, pairs(mpxsConn, "", maxConns, "", maxReqs, ""), pairs(maxConns, "7", maxReqs, "1", mpxsConn, "0")},
		{cgi.Limits{}, pairs("FCGI_COLOUR", ""), nil},
		{cgi.Limits{}, nil, nil},
	} {
		c, r := NewCodec(tc.limits), newRecorder()
		wire := appendRecord(nil, typeGetValues, 0, tc.asked)
		if n, err := c.Feed(wire, r); n != len(wire) || err != nil {
			t.Fatalf("Feed = %d, %v; want %d, nil", n, err, len(wire))
		}
		if want := appendRecord(nil, typeGetValuesResult, 0, tc.want); !bytes.Equal(r.reply, want) {
			t.Errorf("reply to %q\n got %q\nwant %q", tc.asked, r.reply, want)
		}
	}
}
