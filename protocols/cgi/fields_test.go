package cgi

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// fields renders the fields of h, and what was noted of them.
func fields(h *AnswerHead) (text string, notes []string) {
	h.Note = func(s string) { notes = append(notes, s) }
	return strings.ReplaceAll(string(h.AppendFields(nil)), "\r\n", "|"), notes
}

func TestAppendFields(t *testing.T) {
	for _, tc := range []struct {
		name  string
		h     AnswerHead
		want  string
		notes int
	}{
		{"order, duplicates", AnswerHead{Status: 200, Fields: []Var{{"B", "1"}, {"Set-Cookie", "a"}, {"Set-Cookie", "b"}}, ContentLength: 3},
			"B: 1|Set-Cookie: a|Set-Cookie: b|Content-Length: 3|", 0},
		{"hop by hop", AnswerHead{Status: 200, Fields: []Var{{"connection", "close"}, {"Keep-Alive", "x"}, {"TE", "x"}, {"Trailer", "x"},
			{"TRANSFER-ENCODING", "chunked"}, {"Upgrade", "x"}, {"Proxy-Connection", "x"}, {"Status", "200"}, {"X-A", "y"}}, ContentLength: UnknownLength}, "X-A: y|", 0},
		{"tunnel", AnswerHead{Status: 101, Fields: []Var{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "3"}}},
			"Upgrade: websocket|Connection: Upgrade|", 0},
		{"one length", AnswerHead{Status: 200, Fields: []Var{{"Content-Length", "9"}, {"content-length", "9"}}, ContentLength: 3}, "Content-Length: 3|", 0},
		{"length of a HEAD", AnswerHead{Status: 200, Fields: []Var{{"Content-Length", "9"}, {"content-length", "9"}}, NoLength: true}, "Content-Length: 9|", 0},
		{"bad length", AnswerHead{Status: 200, Fields: []Var{{"Content-Length", "-9"}, {"Content-Length", "7"}}, ContentLength: UnknownLength}, "Content-Length: 7|", 1},
		{"204", AnswerHead{Status: 204, Fields: []Var{{"Content-Length", "0"}}, ContentLength: 0}, "", 0},
		{"304", AnswerHead{Status: 304, Fields: []Var{{"Content-Length", "7"}}, ContentLength: 0}, "Content-Length: 7|", 0},
		{"splitting", AnswerHead{Status: 200, Fields: []Var{{"A", "x\r\nB: y"}, {"A\r\nB", "y"}, {"A B", "y"}, {"", "y"}, {"A:", "y"}, {"C", "a\x00b"}, {"D", " \té\xff "}}, NoLength: true},
			"D: é\xff|", 6},
		{"nginx", AnswerHead{Status: 200, Fields: []Var{{"X-Accel-Redirect", "/x"}, {"x-sendfile", "/x"}, {"X-LIGHTTPD-send-file", "/x"}}, NoLength: true}, "X-Accel-Redirect: /x|", 0},
		{"lighttpd", AnswerHead{Status: 200, Front: Lighttpd, Fields: []Var{{"X-Accel-Redirect", "/x"}, {"X-Sendfile", "/x"}, {"X-LIGHTTPD-send-file", "/x"}}, NoLength: true}, "X-Sendfile: /x|X-LIGHTTPD-send-file: /x|", 0},
		{"haproxy", AnswerHead{Status: 200, Front: HAProxy, Fields: []Var{{"X-Accel-Buffering", "no"}, {"X-Sendfile", "/x"}}, NoLength: true}, "", 0},
	} {
		got, notes := fields(&tc.h)
		if got != tc.want || len(notes) != tc.notes {
			t.Errorf("%s:\n got %q, notes %q\nwant %q, %d notes", tc.name, got, notes, tc.want, tc.notes)
		}
	}
}

func TestAppendStatus(t *testing.T) {
	for _, tc := range []struct {
		status int
		reason string
		want   string
	}{
		{200, "", "200 OK"}, {404, "", "404 Not Found"}, {299, "", "299 Status"}, {511, "", "511 Network Authentication Required"}, {999, "", "999 Status"},
		{200, "Fine", "200 Fine"}, {200, "a\r\nb", "200 OK"}, {101, "", "101 Switching Protocols"},
		{0, "", "500 Internal Server Error"}, {103, "Early", "500 Internal Server Error"}, {-1, "", "500 Internal Server Error"}, {1000, "", "500 Internal Server Error"},
	} {
		h := AnswerHead{Status: tc.status, Reason: tc.reason}
		if got := string(h.AppendStatus(nil)); got != tc.want {
			t.Errorf("AppendStatus(%d, %q) = %q, want %q", tc.status, tc.reason, got, tc.want)
		}
	}
}

func TestParseLength(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "007": 7, "9223372036854775807": 1<<63 - 1} {
		if n, ok := ParseLength(in); !ok || n != want {
			t.Errorf("ParseLength(%q) = %d, %v", in, n, ok)
		}
	}
	for _, in := range []string{"", "-1", "+1", " 1", "1 ", "0x1", "1,1", "1e3", "9223372036854775808", "99999999999999999999", "١"} {
		if n, ok := ParseLength(in); ok {
			t.Errorf("ParseLength(%q) = %d, want none", in, n)
		}
	}
}

func TestBiggest(t *testing.T) {
	var b Biggest
	for i, size := range []int64{5, 1, 9, 7, 9, 2} {
		b.Add(fmt.Appendf(nil, "V%d", i), size)
	}
	if got, want := b.String(), `"V2" 9 bytes, "V4" 9 bytes, "V3" 7 bytes`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A HEAD is refused without a body but with its length.
func TestRefusal(t *testing.T) {
	h, body := Refusal(431, true)
	if got, _ := fields(h); len(body) != 0 || got != "Content-Type: text/plain; charset=utf-8|Content-Length: 36|" {
		t.Errorf("%q, fields %q", body, got)
	}
}

// A head that its front refuses is noted, with the number that counts there.
func TestCheckSize(t *testing.T) {
	for _, tc := range []struct {
		front       Front
		lines, size int // of a head
		noted       bool
	}{
		{Nginx, 1, 4088, false}, {Nginx, 1, 4089, true},
		{HAProxy, 10, 1400, false}, {HAProxy, 10, 1500, true},
		{Apache, 10, 8189, false}, {Apache, 1, 8190, true},
		{Lighttpd, 10, 9000, false}, {Caddy, 10, 9000, false},
	} {
		var notes []string
		h := &AnswerHead{Front: tc.front, Note: func(s string) { notes = append(notes, s) }}
		h.CheckSize(bytes.Repeat(append(bytes.Repeat([]byte("x"), tc.size-1), '\n'), tc.lines), 8)
		if len(notes) > 1 || tc.noted != (len(notes) == 1) {
			t.Errorf("front %d, %d lines of %d bytes: notes %q", tc.front, tc.lines, tc.size, notes)
		}
	}
}
