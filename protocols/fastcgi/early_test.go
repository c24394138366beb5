// Answers that come before the request is over.

package fastcgi

import (
	"bytes"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// The answer may end in the middle of a STDIN record; what is left of the record
// belongs to nobody, and the next request on the connection is served.
func TestAnswerWithinRecord(t *testing.T) {
	c, sink := NewCodec(cgi.Limits{}), newRecorder()
	body := appendRecord(nil, typeStdin, 1, bytes.Repeat([]byte{'b'}, 1000))
	first := join(begin(1, 1, 1), appendRecord(nil, typeParams, 1, pairs("REQUEST_METHOD", "POST", "CONTENT_LENGTH", "5000")),
		appendRecord(nil, typeParams, 1, nil), body[:500])
	feed := func(p []byte) {
		t.Helper()
		if n, err := c.Feed(p, sink); err != nil || n != len(p) {
			t.Fatalf("Feed = %d of %d, %v", n, len(p), err)
		}
	}
	feed(first)
	c.AppendAnswer(nil, 1, &cgi.AnswerHead{Status: 413, ContentLength: 2}, []byte("no"), true)
	feed(body[500:])
	feed(body)
	if c.Idle() {
		t.Error("Idle before the peer has ended STDIN: the connection would be closed under it")
	}
	feed(appendRecord(nil, typeStdin, 1, nil))
	if !c.Idle() {
		t.Error("not Idle after the end of STDIN")
	}
	feed(join(begin(1, 1, 1), appendRecord(nil, typeParams, 1, pairs("REQUEST_METHOD", "GET", "REQUEST_URI", "/next")), appendRecord(nil, typeParams, 1, nil)))
	if got := sink.heads[1].Vars.Get("REQUEST_URI"); got != "/next" {
		t.Errorf("the next request is %q", got)
	}
}
