// What came of a packet, as text.

package golden

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
)

// A Recorder is a cgi.Sink that writes down what it is told. The text does not
// depend on how the bytes of the wire were cut: a body is written down when it
// ends, and requests in the order of their heads.
type Recorder struct {
	Requests []*Request
	Replies  []byte   // what the codec wanted sent
	Notes    []string // what it wanted logged
}

// Request is one request that was recorded.
type Request struct {
	ID    uint16
	Head  *cgi.Head
	Body  []byte
	End   bool  // the body is complete
	Cause error // of an abort
}

// Find returns the youngest request called id.
func (r *Recorder) Find(id uint16) *Request {
	for _, q := range slices.Backward(r.Requests) {
		if q.ID == id {
			return q
		}
	}
	panic(fmt.Sprintf("the codec speaks of request %d, which it never handed out", id))
}

// Head implements [cgi.Sink].
func (r *Recorder) Head(id uint16, h *cgi.Head) {
	r.Requests = append(r.Requests, &Request{ID: id, Head: h})
}

// Body implements [cgi.Sink].
func (r *Recorder) Body(id uint16, p []byte) int {
	q := r.Find(id)
	q.Body = append(q.Body, p...)
	return len(p)
}

// End implements [cgi.Sink].
func (r *Recorder) End(id uint16) { r.Find(id).End = true }

// Abort implements [cgi.Sink].
func (r *Recorder) Abort(id uint16, cause error) { r.Find(id).Cause = cause }

// Reply implements [cgi.Sink].
func (r *Recorder) Reply(p []byte) { r.Replies = append(r.Replies, p...) }

// Note implements [cgi.Sink].
func (r *Recorder) Note(text string) { r.Notes = append(r.Notes, text) }

// String is the text of everything recorded.
func (r *Recorder) String() string {
	var sb strings.Builder
	for _, q := range r.Requests {
		length := fmt.Sprint(q.Head.ContentLength)
		if q.Head.ContentLength == cgi.UnknownLength || q.Head.ContentLength == 0 && len(q.Body) == 0 {
			// Whether the end of a body came with the head depends on the cutting.
			length = "undeclared or 0"
		}
		fmt.Fprintf(&sb, "request %d: length %s, keep %v, upgrade %v, modifier %d\n",
			q.ID, length, q.Head.KeepAlive, q.Head.Upgrade, q.Head.Modifier1)
		for _, v := range q.Head.Vars {
			fmt.Fprintf(&sb, "%s: %s\n", v.Name, quote(v.Value))
		}
		fmt.Fprintf(&sb, "body of %d bytes, sha256 %.12x, complete %v, cause %v\n", len(q.Body), sha256.Sum256(q.Body), q.End, q.Cause)
	}
	if len(r.Replies) > 0 {
		fmt.Fprintf(&sb, "replies: %x\n", r.Replies)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&sb, "note: %s\n", n)
	}
	return sb.String()
}

// quote leaves plain text as it is, and shortens long text.
func quote(s string) string {
	if len(s) > 500 {
		return fmt.Sprintf("%.20q..., %d bytes, sha256 %.12x", s, len(s), sha256.Sum256([]byte(s)))
	}
	if q := fmt.Sprintf("%q", s); s == "" || q != `"`+s+`"` {
		return q
	}
	return s
}

// Discard is a cgi.Sink that does nothing.
type Discard struct{}

// Head implements cgi.Sink.
func (Discard) Head(uint16, *cgi.Head) {}

// Body implements cgi.Sink.
func (Discard) Body(_ uint16, p []byte) int { return len(p) }

// End implements cgi.Sink.
func (Discard) End(uint16) {}

// Abort implements cgi.Sink.
func (Discard) Abort(uint16, error) {}

// Reply implements cgi.Sink.
func (Discard) Reply([]byte) {}

// Note implements cgi.Sink.
func (Discard) Note(string) {}
