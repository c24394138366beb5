// The state machine of one connection.

package http1

import (
	"io"
	"net/netip"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/chunks"
)

// requestID is the number of every request: there is one at a time.
const requestID = 1

// state is what the next byte belongs to.
type state uint8

const (
	inHead     state = iota
	inPreamble       // of the PROXY protocol
	inBody           // of a request with a Content-Length
	inChunks         // of a chunked one
	atEnd            // the request is complete, its answer is not
	inTunnel         // behind a 101
	closed           // nothing that follows means anything
)

// Codec is one connection. Make it with [NewCodec].
type Codec struct {
	config      *Config
	peer, local netip.AddrPort

	state    state
	scan     scan
	partial  []byte // of a preamble or a head; nil when there is none
	blank    bool   // an empty line was skipped before this request line
	notified bool   // Note was called for an ignored name

	left   int64 // of a body of known length
	chunks chunks.Reader

	active   bool  // a request was handed out, and its answer has not ended
	started  bool  // its answer has
	waiting  bool  // its client waits for 100 Continue
	head     bool  // it is a HEAD
	http10   bool  // it is HTTP/1.0
	keep     bool  // it asked for the connection to be kept
	chunked  bool  // its answer is
	noBody   bool  // its answer is only a head
	discards int64 // bytes of its body that came when the answer had ended
	closing  bool  // the connection ends with this answer
	drain    bool  // the connection ends with the next answer
}

var _ cgi.Codec = (*Codec)(nil)

// maxDiscard is how much of a body that nobody wants is read for the sake of
// keeping the connection.
const maxDiscard = 256 << 10

// NewCodec returns the codec of a new connection between peer and local; they are
// invalid for a Unix socket.
func NewCodec(c *Config, peer, local netip.AddrPort) *Codec {
	x := &Codec{config: c, peer: peer, local: local, state: inHead}
	if c.Proxy {
		x.state = inPreamble
	}
	return x
}

// Feed implements [cgi.Codec].
func (c *Codec) Feed(p []byte, sink cgi.Sink) (n int, err error) {
	for {
		before, in := n, c.state
		switch c.state {
		case inPreamble:
			n, err = c.feedPreamble(p, n, sink)
		case inHead:
			n, err = c.feedHead(p, n, sink)
		case inBody:
			n = c.feedBody(p, n, sink)
		case inChunks:
			n, err = c.feedChunks(p, n, sink)
		case atEnd:
			return n, nil
		case inTunnel:
			if n < len(p) {
				n += sink.Body(requestID, p[n:])
			}
			return n, nil
		case closed:
			return len(p), nil
		}
		if err != nil {
			return n, err
		}
		if n == len(p) && c.state == in || n == before && c.state == in {
			return n, nil
		}
	}
}

// EOF implements [cgi.Codec]. A peer may end its side when the request is complete
// and still wait for the answer.
func (c *Codec) EOF(sink cgi.Sink) error {
	switch c.state {
	case inPreamble, inHead:
		if len(c.partial) > 0 {
			c.state = closed
			return fault(0, "the connection ended within a head")
		}
	case inBody, inChunks:
		c.state, c.closing = closed, true
		if c.active {
			sink.Abort(requestID, io.ErrUnexpectedEOF)
		}
	case inTunnel:
		c.state = closed
		sink.End(requestID)
	}
	return nil
}

// Idle implements [cgi.Codec].
func (c *Codec) Idle() bool {
	return (c.state == inHead || c.state == inPreamble) && len(c.partial) == 0
}

// Drain implements [cgi.Codec].
func (c *Codec) Drain() { c.drain = true }

// KeepAlive implements [cgi.Codec].
func (c *Codec) KeepAlive() bool { return !c.closing }

// hand gives a complete head to sink.
func (c *Codec) hand(h *cgi.Head, sink cgi.Sink) {
	c.active, c.started, c.noBody, c.chunked = true, false, false, false
	c.waiting, c.http10, c.keep = h.Expect, h.Proto == "HTTP/1.0", h.KeepAlive
	c.head = h.Method == "HEAD"
	c.discards, c.left = 0, h.ContentLength
	sink.Head(requestID, h)
	switch {
	case h.ContentLength == 0:
		c.state = atEnd
		sink.End(requestID)
	case h.ContentLength > 0:
		c.state = inBody
	default:
		c.state, c.chunks = inChunks, chunks.Reader{}
	}
}

// received notes that the body is complete.
func (c *Codec) received(sink cgi.Sink) {
	c.state = atEnd
	if c.active {
		sink.End(requestID)
		return
	}
	c.next()
}

// next makes the codec ready for another request, if there may be one.
func (c *Codec) next() {
	c.state, c.blank, c.started, c.head = inHead, false, false, false
	if c.closing {
		c.state = closed
	}
}

// refuse answers what came, if that is still possible, and gives up the connection.
func (c *Codec) refuse(status int, text string, sink cgi.Sink) error {
	if c.started {
		status = 0
	} else {
		h, body := cgi.Refusal(status, c.head)
		h.Close = true
		sink.Reply(c.appendHead(nil, h, body))
	}
	err := fault(status, text)
	if c.active {
		sink.Abort(requestID, err)
	}
	c.state, c.closing, c.active, c.partial = closed, true, false, nil
	return err
}

// fault is an error that ends the connection.
func fault(status int, text string) error {
	return &cgi.Error{Protocol: cgi.HTTP, Status: status, Text: text}
}
