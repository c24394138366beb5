// One request of a connection, from BEGIN_REQUEST to END_REQUEST.

package fastcgi

import (
	"fmt"
	"io"

	"github.com/appd-server/appd/protocols/cgi"
)

// stream is what the codec remembers of an active request.
type stream struct {
	id      uint16
	state   state
	keep    bool // FCGI_KEEP_CONN
	aborted bool // ABORT_REQUEST came
	noted   bool // excess was noted
	counted bool // the front knows how long the answer is, and compares
	beside  bool // it began beside another, although multiplexing is off

	params   cgi.Stash // params that came in more than one piece
	expected int64     // CONTENT_LENGTH or cgi.UnknownLength
	got      int64     // bytes of body handed out
}

// state is which of its input streams a request is in.
type state uint8

const (
	inParams state = iota
	inBody
	complete
)

// stream returns the active request called id, or nil. The pointer is good until
// a request begins or ends.
func (c *Codec) stream(id uint16) *stream {
	for i := range c.streams {
		if c.streams[i].id == id {
			return &c.streams[i]
		}
	}
	return nil
}

// free ends a request and decides whether the connection may stay.
func (c *Codec) free(st *stream) {
	c.ending = c.ending || !st.keep
	c.drained = c.drained || c.draining
	if c.rec.id == st.id && (c.to == toBody || c.to == toParams) {
		c.to = toNowhere // what is left of its record belongs to nobody
	}
	if st.state == inBody && !st.aborted {
		c.owed++ // Caddy takes a connection that closes before that for a failure
	}
	c.drop(st)
	last := len(c.streams) - 1
	*st = c.streams[last]
	c.streams[last] = stream{}
	if c.streams = c.streams[:last]; last == 0 {
		c.streams = c.first[:0] // an idle connection keeps no more than it needs
	}
}

// drop lets go of the params that were kept for a request.
func (c *Codec) drop(st *stream) {
	c.kept -= len(st.params.Bytes())
	st.params.Drop()
}

// begin starts a request. p holds the whole record if its length is right.
func (c *Codec) begin(rec header, p []byte, sink cgi.Sink) error {
	switch {
	case rec.id == 0:
		return fault(0, "BEGIN_REQUEST with id 0")
	case rec.content != beginLen:
		return fault(0, fmt.Sprintf("BEGIN_REQUEST of %d bytes", rec.content))
	case c.stream(rec.id) != nil:
		return fault(0, fmt.Sprintf("BEGIN_REQUEST for request %d, which is active", rec.id))
	}
	role := int(p[8])<<8 | int(p[9])
	others := len(c.streams)
	c.streams = append(c.streams, stream{id: rec.id, keep: p[10]&flagKeepConn != 0, beside: others > 0 && c.limits.Streams == 1})
	switch {
	case role != roleResponder:
		return c.end(rec.id, UnknownRole, fmt.Sprintf("request %d asks for role %d", rec.id, role), sink)
	case others >= c.most():
		return c.refuse(rec.id, 503, false, fmt.Sprintf("request %d beside %d active ones", rec.id, others), sink)
	}
	return nil
}

// most is how many requests are served at a time: more than the front is told. When
// a client leaves that has sent its request, HAProxy forgets the request without a
// word and puts the next one beside it, also where multiplexing is off.
func (c *Codec) most() int { return max(4*c.limits.Streams, defaultStreams) }

// params handles a PARAMS record. When all params stand in one record and their
// end is behind it, as most fronts send them, they are parsed where they are.
func (c *Codec) params(rec header, p []byte, sink cgi.Sink) (n int, err error) {
	c.rec, c.to = rec, toNowhere
	st := c.stream(rec.id)
	switch {
	case st == nil:
		return headerLen, nil
	case st.state != inParams:
		if rec.content > 0 {
			st.note("params after their end", sink)
		}
		return headerLen, nil
	case rec.content > 0:
		next := headerLen + rec.content + rec.padding
		if st.params.Held() || !isEmpty(p[min(next, len(p)):], typeParams, rec.id) {
			c.to = toParams
			return headerLen, nil
		}
		block := p[headerLen : headerLen+rec.content]
		c.rec = parseHeader(p[next:])
		next += headerLen
		if len(block) > c.limits.Params {
			return next, c.refuseBig(rec.id, block, sink)
		}
		return next, c.head(st, block, p[next:], sink)
	}
	return headerLen, c.head(st, st.params.Bytes(), p[headerLen:], sink)
}

// isEmpty reports whether p begins with the record that ends a stream.
func isEmpty(p []byte, typ uint8, id uint16) bool {
	return len(p) >= headerLen && p[0] == version && p[1] == typ &&
		p[2] == byte(id>>8) && p[3] == byte(id) && p[4] == 0 && p[5] == 0
}

// head hands out a request whose params are complete. rest is what arrived behind
// them: it may show already that there is no body.
func (c *Codec) head(st *stream, block, rest []byte, sink cgi.Sink) error {
	h, err := parseParams(block)
	if err != nil {
		noBody, _ := scanParams(block)
		c.ending = true // whoever cannot count is not listened to any longer
		return c.refuse(st.id, 400, noBody, fmt.Sprintf("params of request %d: %v", st.id, err), sink)
	}
	c.drop(st)
	if !setLength(h) {
		return c.refuse(st.id, 400, h.WantsNoBody(), fmt.Sprintf("request %d: CONTENT_LENGTH is not a number", st.id), sink)
	}
	if h.ContentLength == cgi.UnknownLength && isEmpty(rest[min(c.rec.padding, len(rest)):], typeStdin, st.id) {
		h.ContentLength = 0
	}
	h.KeepAlive = st.keep && !c.draining
	st.expected = h.ContentLength
	st.state = inBody
	sink.Head(st.id, h)
	return nil
}

// stdin handles the header of a STDIN record.
func (c *Codec) stdin(rec header, sink cgi.Sink) (place, error) {
	st := c.stream(rec.id)
	switch {
	case st == nil:
		if rec.content == 0 && c.owed > 0 {
			c.owed--
		}
	case st.state == inParams:
		c.ending = true
		return toNowhere, c.refuse(rec.id, 400, false, fmt.Sprintf("request %d: STDIN before the end of PARAMS", rec.id), sink)
	case rec.content == 0:
		st.endBody(nil, sink) // Caddy sends the end twice at times
	case st.state == inBody:
		return toBody, nil
	default:
		st.note("data after the end of STDIN", sink)
	}
	return toNowhere, nil
}

// body hands out bytes of the body, but none beyond CONTENT_LENGTH, and returns
// how many are done with.
func (st *stream) body(p []byte, sink cgi.Sink) int {
	if st.aborted {
		return len(p)
	}
	if st.expected != cgi.UnknownLength {
		left := st.expected - st.got
		if left == 0 {
			st.note(fmt.Sprintf("more body than the %d bytes of CONTENT_LENGTH", st.expected), sink)
			return len(p)
		}
		p = p[:min(int64(len(p)), left)]
	}
	n := sink.Body(st.id, p)
	st.got += int64(n)
	return n
}

// endBody ends the body; cause is what broke it off, if anything did.
func (st *stream) endBody(cause error, sink cgi.Sink) {
	if st.state != inBody {
		return
	}
	st.state = complete
	switch {
	case st.aborted:
	case cause != nil:
		sink.Abort(st.id, cause)
	case st.expected != cgi.UnknownLength && st.got < st.expected:
		sink.Abort(st.id, io.ErrUnexpectedEOF)
	default:
		sink.End(st.id)
	}
}

// abort handles ABORT_REQUEST. A request that was not handed out yet is answered
// here; any other when the caller says so.
func (c *Codec) abort(id uint16, sink cgi.Sink) error {
	st := c.stream(id)
	switch {
	case st == nil:
		c.owed = max(0, c.owed-1) // no end of STDIN follows
	case st.aborted:
	case st.state == inParams:
		sink.Reply(appendEnd(nil, id, 0, RequestComplete))
		if c.free(st); !c.KeepAlive() {
			return io.EOF
		}
	default:
		st.aborted = true
		sink.Abort(id, cgi.ErrAborted)
	}
	return nil
}

// note reports something odd about a request, once.
func (st *stream) note(text string, sink cgi.Sink) {
	if !st.noted {
		st.noted = true
		sink.Note(fmt.Sprintf("fastcgi: request %d: %s", st.id, text))
	}
}
