package fastcgi

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

func okHead(length int64) *cgi.AnswerHead {
	return &cgi.AnswerHead{Status: 200, Fields: []cgi.Var{{Name: "Content-Type", Value: "text/plain"}}, ContentLength: length}
}

// active is a codec with the given requests active.
func active(t testing.TB, ids ...uint16) *Codec {
	c := NewCodec(cgi.Limits{})
	for _, id := range ids {
		if err := feed(c, newRecorder(), get(id, flagKeepConn, "/")); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Answers of every size, given in one part or several, come out at the client as
// they went in, in records that are padded to 8 and not too long.
func TestAnswerSizes(t *testing.T) {
	for _, size := range []int{0, 1, 7, 8, 9, 4096, maxFirst - 100, maxFirst, maxPiece - 100, maxPiece, maxPiece + 1, 65535, 65536, 200_000} {
		body := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
		whole := active(t, 1).AppendAnswer(nil, 1, okHead(int64(size)), body, true)

		c := active(t, 1)
		parts := c.AppendAnswer(nil, 1, okHead(int64(size)), nil, false)
		for rest := body; len(rest) > 0; {
			n := min(len(rest), c.MaxPiece(), 10_001)
			parts = c.AppendPrefix(parts, 1, n)
			parts = append(parts, rest[:n]...)
			parts = c.AppendSuffix(parts, 1, n)
			rest = rest[n:]
		}
		parts = c.AppendAnswer(parts, 1, nil, nil, true)

		for _, wire := range [][]byte{whole, parts} {
			if len(wire)%8 != 0 {
				t.Errorf("an answer of %d bytes: %d bytes on the wire are not padded to 8", size, len(wire))
			}
			if first := parseHeader(wire); first.content+first.padding > maxFirst {
				t.Errorf("an answer of %d bytes: the record with the head has %d", size, first.content)
			}
			var client Client
			if n, err := client.Feed(wire); n != len(wire) || err != nil {
				t.Fatalf("Feed = %d, %v; want %d", n, err, len(wire))
			}
			a := client.Next()
			if a == nil || a.Err != nil || !bytes.Equal(a.Body, body) || a.Head.Status != 200 || a.Head.ContentLength != int64(size) {
				t.Errorf("an answer of %d bytes: got %+v", size, a)
			}
		}
	}
}

// A head that is longer than a record goes over several.
func TestLongHead(t *testing.T) {
	h := okHead(2)
	h.Fields = append(h.Fields, cgi.Var{Name: "X-Long", Value: strings.Repeat("x", 100_000)})
	var notes []string
	h.Note = func(s string) { notes = append(notes, s) }
	var client Client
	client.Feed(active(t, 1).AppendAnswer(nil, 1, h, []byte("ok"), true))
	a := client.Next()
	if a == nil || a.Err != nil || string(a.Body) != "ok" || len(a.Head.Fields[2].Value) != 100_000 {
		t.Errorf("got %+v", a)
	}
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "answer head of 100") {
		t.Errorf("notes %q, want one about the size", notes)
	}
}

// There are no interim answers and no tunnels in FastCGI.
func TestNoInterimAnswer(t *testing.T) {
	for _, status := range []int{0, 100, 101, 103, 199, 1000} {
		got := firstReply(active(t, 1).AppendAnswer(nil, 1, &cgi.AnswerHead{Status: status}, nil, true))
		if !strings.HasPrefix(got, "Status: 500 Internal Server Error\r\n") {
			t.Errorf("status %d: %q", status, got)
		}
	}
	if got := active(t, 1).AppendContinue(nil, 1); len(got) != 0 {
		t.Errorf("AppendContinue = %q, want nothing", got)
	}
}

// An answer that breaks off closes the connection, or is ended without the end of
// STDOUT beside others, and where the front knows the length and so sees that bytes
// are missing. An aborted request is ended and nothing else happens.
func TestAppendAbort(t *testing.T) {
	for front, ended := range map[cgi.Front]bool{cgi.Nginx: true, cgi.HAProxy: true, cgi.Apache: false} { // Apache drops the length
		c := active(t, 1)
		c.AppendAnswer(nil, 1, &cgi.AnswerHead{Status: 200, ContentLength: 10, Front: front}, []byte("short"), false)
		var want []byte
		if ended {
			want = appendEnd(nil, 1, 1, 0)
		}
		if out, closing := c.AppendAbort(nil, 1); !bytes.Equal(out, want) || !closing {
			t.Errorf("front %d, known length: %x, %v; want %x, true", front, out, closing, want)
		}
	}
	c := active(t, 1)
	if out, closing := c.AppendAbort(nil, 1); len(out) != 0 || !closing {
		t.Errorf("alone: %x, %v; want nothing, true", out, closing)
	}
	c = active(t, 1, 2)
	if out, closing := c.AppendAbort(nil, 1); !bytes.Equal(out, appendEnd(nil, 1, 1, 0)) || closing {
		t.Errorf("beside another: %x, %v; want END_REQUEST, false", out, closing)
	}
	c = active(t, 1)
	feed(c, newRecorder(), AppendAbortRequest(nil, 1))
	if out, closing := c.AppendAbort(nil, 1); !bytes.Equal(out, appendEnd(nil, 1, 0, 0)) || closing || !c.Idle() {
		t.Errorf("aborted by the front: %x, %v, idle %v; want END_REQUEST, false, true", out, closing, c.Idle())
	}
	if got := c.AppendAnswer(nil, 1, okHead(0), nil, true); len(got) != 0 {
		t.Errorf("an answer to a request that is over: %x", got)
	}
}

// The connection ends after the last active request, once one of them or Drain
// says so.
func TestKeepAlive(t *testing.T) {
	c := active(t, 1)
	feed(c, newRecorder(), get(2, 0, "/"))
	c.AppendAnswer(nil, 2, okHead(0), nil, true)
	if !c.KeepAlive() {
		t.Error("the end of request 2, not kept, would end request 1")
	}
	c.AppendAnswer(nil, 1, okHead(0), nil, true)
	if c.KeepAlive() {
		t.Error("kept although request 2 was not to be kept")
	}
	c = active(t, 1)
	c.AppendAnswer(nil, 1, &cgi.AnswerHead{Status: 200, Close: true}, nil, true)
	if c.KeepAlive() {
		t.Error("kept although the answer asked for the end")
	}
	c.Reset()
	c.Drain()
	if !c.KeepAlive() {
		t.Error("an idle connection ends without its last answer")
	}
	r := newRecorder()
	feed(c, r, get(1, flagKeepConn, "/"))
	c.AppendAnswer(nil, 1, okHead(0), nil, true)
	if c.KeepAlive() || r.heads[1].KeepAlive {
		t.Error("kept after the last answer")
	}
}

// Do gets its answer although nobody reads the body that it sends.
func TestDo(t *testing.T) {
	front, app := net.Pipe()
	defer front.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer app.Close()
		c, r := NewCodec(cgi.Limits{}), newRecorder()
		buf := make([]byte, 4096)
		n, _ := app.Read(buf)
		c.Feed(buf[:n], r)
		app.Write(c.AppendAnswer(nil, 1, okHead(2), []byte("ok"), true))
	}()
	front.SetDeadline(time.Now().Add(10 * time.Second))
	params := []cgi.Var{{Name: "REQUEST_METHOD", Value: "POST"}, {Name: "CONTENT_LENGTH", Value: "1000000"}}
	a, err := Do(front, params, make([]byte, 1_000_000))
	if err != nil || a.Head.Status != 200 || string(a.Body) != "ok" {
		t.Errorf("Do = %+v, %v", a, err)
	}
	<-done
}

// A server that goes away, or speaks something else, is an error and no hang.
func TestDoFails(t *testing.T) {
	for _, says := range []string{"", "HTTP/1.1 400 Bad Request\r\n\r\n", string(appendRecord(nil, typeStdout, 1, []byte("Status: 200 OK\r\n\r\n")))} {
		front, app := net.Pipe()
		go func() {
			app.Read(make([]byte, 4096))
			app.Write([]byte(says))
			app.Close()
		}()
		front.SetDeadline(time.Now().Add(10 * time.Second))
		if a, err := Do(front, nil, make([]byte, 100_000)); err == nil || a != nil {
			t.Errorf("the server says %q: Do = %+v, %v", says, a, err)
		}
		front.Close()
	}
}
