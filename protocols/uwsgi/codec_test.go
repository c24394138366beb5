package uwsgi

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// recorder is a sink that writes down what it is told, in a form that does not
// depend on how the bytes were cut.
type recorder struct {
	events []string
	head   *cgi.Head
	body   []byte
	reply  []byte
	notes  []string
	full   func(n int) int // how much of n bytes of body to take; nil takes all
}

func (r *recorder) log(format string, args ...any) {
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) Head(id uint16, h *cgi.Head) {
	r.head = h
	r.log("head %d %d vars, %d bytes, upgrade %v", id, len(h.Vars), h.ContentLength, h.Upgrade)
}

func (r *recorder) Body(_ uint16, p []byte) int {
	n := len(p)
	if r.full != nil {
		n = r.full(n)
	}
	r.body = append(r.body, p[:n]...)
	return n
}

func (r *recorder) End(uint16)                  { r.log("end %q", r.body) }
func (r *recorder) Abort(_ uint16, cause error) { r.log("abort %q: %v", r.body, cause) }
func (r *recorder) Reply(p []byte)              { r.reply = append(r.reply, p...) }
func (r *recorder) Note(text string)            { r.notes = append(r.notes, text) }
func (r *recorder) String() string              { return strings.Join(r.events, "; ") }

// packet is a packet of names and values in turn.
func packet(modifier1 byte, nv ...string) []byte {
	p := []byte{modifier1, 0, 0, 0}
	for i := 0; i < len(nv); i += 2 {
		p = appendVar(p, nv[i], nv[i+1])
	}
	p[1], p[2] = byte(len(p)-headerLen), byte((len(p)-headerLen)>>8)
	return p
}

// feedAll feeds wire in pieces that end at each of cuts and reports what came of
// it, keeping what the codec leaves as the event loop does.
func feedAll(c *Codec, r *recorder, wire []byte, cuts ...int) error {
	var buf []byte
	last := 0
	for _, cut := range append(cuts, len(wire)) {
		buf = append(buf, wire[last:cut]...)
		last = cut
		n, err := c.Feed(buf, r)
		if buf = buf[n:]; err != nil {
			return err
		}
	}
	return nil
}

func TestRequest(t *testing.T) {
	get := []string{"REQUEST_METHOD", "GET", "PATH_INFO", "/"}
	for _, tc := range []struct {
		name   string
		wire   []byte
		events string
		reply  string // status line, or "" for none
		err    string
		notes  int
	}{
		{"get", packet(0, get...), `head 1 2 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"modifier 30", packet(30, get...), `head 1 2 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"uri instead of path", packet(0, "REQUEST_METHOD", "GET", "REQUEST_URI", "/"), `head 1 2 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"empty path", packet(0, "REQUEST_METHOD", "GET", "PATH_INFO", ""), `head 1 2 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"body", append(packet(0, append(get, "CONTENT_LENGTH", "5")...), "hello"...), `head 1 3 vars, 5 bytes, upgrade false; end "hello"`, "", "", 0},
		{"more than the body", append(packet(0, append(get, "CONTENT_LENGTH", "2")...), "hello"...), `head 1 3 vars, 2 bytes, upgrade false; end "he"`, "", "", 1},
		{"second packet", append(packet(0, get...), packet(0, get...)...), `head 1 2 vars, 0 bytes, upgrade false; end ""`, "", "", 1},
		{"last length counts", append(packet(0, append(get, "CONTENT_LENGTH", "7", "CONTENT_LENGTH", "")...), ""...), `head 1 4 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"chunked", packet(0, append(get, "HTTP_TRANSFER_ENCODING", "chunked")...), `head 1 3 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"length empty", packet(0, append(get, "CONTENT_LENGTH", "")...), `head 1 3 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"length -1", packet(0, append(get, "CONTENT_LENGTH", "-1")...), `head 1 3 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"length +1", packet(0, append(get, "CONTENT_LENGTH", "+1")...), `head 1 3 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"length 0x5", packet(0, append(get, "CONTENT_LENGTH", "0x5")...), "", "HTTP/1.1 400 Bad Request", "uwsgi: CONTENT_LENGTH is not a number", 0},
		{"length 2^63", packet(0, append(get, "CONTENT_LENGTH", "9223372036854775808")...), "", "HTTP/1.1 400 Bad Request", "uwsgi: CONTENT_LENGTH is not a number", 0},
		{"upgrade", append(packet(0, append(get, "HTTP_UPGRADE", "websocket")...), "frames"...), `head 1 3 vars, 0 bytes, upgrade true; end ""`, "", "", 0},
		{"no name", packet(0, append(get, "", "x")...), `head 1 2 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"magic", packet(0, append(get, "UWSGI_FILE", "/etc/passwd")...), `head 1 3 vars, 0 bytes, upgrade false; end ""`, "", "", 0},
		{"no method", packet(0, "PATH_INFO", "/"), "", "HTTP/1.1 400 Bad Request", "uwsgi: no REQUEST_METHOD", 0},
		{"no path", packet(0, "REQUEST_METHOD", "GET"), "", "HTTP/1.1 400 Bad Request", "uwsgi: neither PATH_INFO nor REQUEST_URI", 0},
		{"no vars", packet(0), "", "HTTP/1.1 400 Bad Request", "uwsgi: no REQUEST_METHOD", 0},
		{"NUL", packet(0, append(get, "X", "a\x00b")...), "", "HTTP/1.1 400 Bad Request", "uwsgi: a NUL byte in a var", 0},
		{"inner length", []byte("\x00\x05\x00\x00\x09\x00abc"), "", "HTTP/1.1 400 Bad Request", "uwsgi: a var is longer than the packet", 0},
		{"value length missing", []byte("\x00\x05\x00\x00\x03\x00abc"), "", "HTTP/1.1 400 Bad Request", "uwsgi: a var is longer than the packet", 0},
		{"ping", packet(100), "", "d\x00\x00\x01", "EOF", 0},
		{"php", packet(14, get...), "", "HTTP/1.1 501 Not Implemented", "uwsgi: modifier1 14 asks for PHP", 0},
		{"raw code", packet(22, get...), "", "", "uwsgi: modifier1 22 is not served", 0},
		{"reload", packet(98), "", "", "uwsgi: modifier1 98 is not served", 0},
	} {
		for cut := range len(tc.wire) {
			c, r := NewCodec(cgi.Limits{}), &recorder{}
			err := feedAll(c, r, tc.wire, cut)
			if got := r.String(); got != tc.events {
				t.Errorf("%s, cut at %d: events\n got %s\nwant %s", tc.name, cut, got, tc.events)
			}
			if reply, _, _ := strings.Cut(string(r.reply), "\r\n"); reply != tc.reply {
				t.Errorf("%s, cut at %d: reply %q, want %q", tc.name, cut, reply, tc.reply)
			}
			if got := fmt.Sprint(err); got != tc.err && (err != nil || tc.err != "") {
				t.Errorf("%s, cut at %d: error %q, want %q", tc.name, cut, got, tc.err)
			}
			if len(r.notes) != tc.notes {
				t.Errorf("%s, cut at %d: notes %q, want %d", tc.name, cut, r.notes, tc.notes)
			}
			if t.Failed() {
				break
			}
		}
	}
}

// uWSGI's HTTP router passes a chunked body on as it came. It is decoded where the
// codec was told so, and its end is found even if the connection stays open.
func TestChunkedInput(t *testing.T) {
	post := []string{"REQUEST_METHOD", "POST", "PATH_INFO", "/", "HTTP_TRANSFER_ENCODING", "chunked"}
	for _, tc := range []struct{ name, body, events, reply, err string }{
		{"two chunks", "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nSum: 1\r\n\r\n", `end "hello world"`, "", ""},
		{"none", "0\r\n\r\n", `end ""`, "", ""},
		{"garbled", "5\r\nhello\r\n-1\r\n", `abort "hello": uwsgi: a chunk without a size`, "HTTP/1.1 400 Bad Request", "uwsgi: a chunk without a size"},
	} {
		wire := append(packet(0, post...), tc.body...)
		for cut := range len(wire) {
			c, r := NewCodec(cgi.Limits{}), &recorder{}
			c.Chunked = true
			err := feedAll(c, r, wire, cut)
			if want := "head 1 3 vars, -1 bytes, upgrade false; " + tc.events; r.String() != want {
				t.Fatalf("%s, cut at %d: events\n got %s\nwant %s", tc.name, cut, r, want)
			}
			if reply, _, _ := strings.Cut(string(r.reply), "\r\n"); reply != tc.reply || fmt.Sprint(err) != tc.err && (err != nil || tc.err != "") {
				t.Fatalf("%s, cut at %d: reply %q, error %v", tc.name, cut, reply, err)
			}
		}
	}

	c, r := NewCodec(cgi.Limits{}), &recorder{} // nginx says chunked too, of what it has put together
	c.Chunked = true
	err := feedAll(c, r, append(packet(0, append(post, "CONTENT_LENGTH", "5")...), "hello"...))
	if want := `head 1 4 vars, 5 bytes, upgrade false; end "hello"`; r.String() != want || err != nil {
		t.Errorf("with a length: %s, %v; want %s", r, err, want)
	}
	if c.Reset(); !c.Chunked {
		t.Error("Chunked is gone after Reset")
	}
	feedAll(c, r, append(packet(0, post...), "5\r\nhel"...))
	c.EOF(r)
	if !strings.HasSuffix(r.String(), "unexpected EOF") {
		t.Errorf("cut short: %s", r)
	}
}

// Every value of modifier1 gets an answer or a close, and only two get a request.
func TestModifiers(t *testing.T) {
	for m := range 256 {
		c, r := NewCodec(cgi.Limits{}), &recorder{}
		err := feedAll(c, r, packet(byte(m), "REQUEST_METHOD", "GET", "PATH_INFO", "/"))
		served := m == modRequest || m == modPathInfo
		if served != (r.head != nil) || served != (err == nil) {
			t.Errorf("modifier1 %d: head %v, error %v", m, r.head != nil, err)
		}
		if served && r.head.Modifier1 != byte(m) {
			t.Errorf("Modifier1 = %d, want %d", r.head.Modifier1, m)
		}
		if m == modPing && err != io.EOF {
			t.Errorf("ping ended with %v, want io.EOF", err)
		}
	}
}

func TestEOF(t *testing.T) {
	wire := append(packet(0, "REQUEST_METHOD", "POST", "PATH_INFO", "/", "CONTENT_LENGTH", "5"), "hello"...)
	head := len(wire) - 5
	for cut := range len(wire) + 1 {
		c, r := NewCodec(cgi.Limits{}), &recorder{}
		if err := feedAll(c, r, wire[:cut]); err != nil {
			t.Fatal(err)
		}
		err := c.EOF(r)
		switch {
		case cut < headerLen:
			if err != nil || len(r.events)+len(r.reply) > 0 {
				t.Errorf("EOF after %d bytes: %v, %s, %q; want silence", cut, err, r, r.reply)
			}
		case cut < head:
			if e, ok := errors.AsType[*cgi.Error](err); !ok || e.Status != 400 || !strings.HasPrefix(string(r.reply), "HTTP/1.1 400 ") {
				t.Errorf("EOF after %d bytes: %v, reply %q; want a 400", cut, err, r.reply)
			}
		case cut < len(wire):
			if want := fmt.Sprintf("head 1 3 vars, 5 bytes, upgrade false; abort %q: unexpected EOF", wire[head:cut]); r.String() != want || err != nil {
				t.Errorf("EOF after %d bytes: %v, %s; want %s", cut, err, r, want)
			}
		default:
			if want := `head 1 3 vars, 5 bytes, upgrade false; end "hello"`; r.String() != want || err != nil {
				t.Errorf("EOF at the end: %v, %s; want %s", err, r, want)
			}
		}
	}
}

// A packet may be 65535 bytes long, and says what filled it when that is too much.
func TestFullPacket(t *testing.T) {
	vars := []string{"REQUEST_METHOD", "GET", "PATH_INFO", "/", "HTTP_COOKIE", ""}
	vars[5] = strings.Repeat("c", 65535-(len(packet(0, vars...))-headerLen))
	wire := packet(0, vars...)
	if len(wire) != headerLen+65535 {
		t.Fatalf("the packet has %d bytes", len(wire))
	}
	c, r := NewCodec(cgi.Limits{}), &recorder{}
	if err := feedAll(c, r, wire, 1, 5, 4096, 8192, 65536); err != nil {
		t.Fatal(err)
	}
	if v := r.head.Vars.Get("HTTP_COOKIE"); v != vars[5] {
		t.Errorf("HTTP_COOKIE has %d bytes, want %d", len(v), len(vars[5]))
	}
	c, r = NewCodec(cgi.Limits{Params: 65534}), &recorder{}
	err := feedAll(c, r, wire)
	want := `uwsgi: vars of 65535 bytes are over the limit of 65534; the biggest: "HTTP_COOKIE" 65496 bytes, "REQUEST_METHOD" 17 bytes, "PATH_INFO" 10 bytes`
	if fmt.Sprint(err) != want || !strings.HasPrefix(string(r.reply), "HTTP/1.1 431 ") {
		t.Errorf("error %v, reply %q\nwant %s", err, r.reply, want)
	}
}

// What comes behind a request that may become a tunnel stays with the caller until
// the answer is something else.
func TestUpgrade(t *testing.T) {
	wire := append(packet(0, "REQUEST_METHOD", "GET", "PATH_INFO", "/", "HTTP_UPGRADE", "websocket"), "frames"...)
	c, r := NewCodec(cgi.Limits{}), &recorder{}
	n, err := c.Feed(wire, r)
	if want := len(wire) - len("frames"); n != want || err != nil {
		t.Fatalf("Feed = %d, %v; want %d, nil", n, err, want)
	}
	h := &cgi.AnswerHead{Status: 101, Fields: []cgi.Var{{Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"}}, ContentLength: cgi.UnknownLength}
	got := string(c.AppendAnswer(nil, 1, h, nil, false))
	if want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
}

func TestBackPressure(t *testing.T) {
	wire := append(packet(0, "REQUEST_METHOD", "POST", "PATH_INFO", "/", "CONTENT_LENGTH", "10"), "0123456789"...)
	c, r := NewCodec(cgi.Limits{}), &recorder{full: func(n int) int { return min(n, 3) }}
	for len(wire) > 0 {
		n, err := c.Feed(wire, r)
		if n == 0 || err != nil {
			t.Fatalf("Feed = %d, %v", n, err)
		}
		wire = wire[n:]
	}
	if want := `head 1 3 vars, 10 bytes, upgrade false; end "0123456789"`; r.String() != want {
		t.Errorf("got %s, want %s", r, want)
	}
}
