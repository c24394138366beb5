// The server codec: the packet, then the body.

package uwsgi

import (
	"fmt"
	"io"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/chunks"
)

// A Codec is the server side of one connection. The zero Codec is not ready, use
// [NewCodec]; [Codec.Reset] makes it ready for another connection.
type Codec struct {
	// Chunked, set before the first Feed, takes a body without a length from a front
	// that says so by HTTP_TRANSFER_ENCODING: uWSGI's HTTP router with
	// --http-chunked-input. Without that option it says the same and sends nothing.
	Chunked bool

	limits cgi.Limits

	state     state
	upgrade   bool // the connection may become a tunnel
	started   bool // the answer has
	answered  bool
	modifier1 uint8

	size   int       // bytes of vars
	vars   cgi.Stash // vars that came in more than one piece
	body   int64     // bytes of body still to come
	chunks chunks.Reader
	noted  bool // excess was noted
}

var _ cgi.Codec = (*Codec)(nil)

// state is what the next bytes are.
type state uint8

const (
	inHeader state = iota
	inVars
	inBody
	inChunks
	complete // the request is; what follows is not for us
	closed   // nothing is handed out
)

const (
	headerLen = 4

	// requestID is how the only request of a connection is called.
	requestID = 1

	defaultParams = 1 << 20
)

// Values of modifier1.
const (
	modRequest  = 0
	modPathInfo = 30 // a request whose PATH_INFO still has SCRIPT_NAME in front
	modPing     = 100
)

// languages are the values of modifier1 for requests that uWSGI hands to another
// language's plugin.
var languages = map[uint8]string{
	5: "PSGI", 6: "Lua", 7: "Rack", 8: "JVM", 9: "CGI", 11: "Go", 14: "PHP",
	15: "Mono", 18: "symcall", 23: "XSLT", 24: "V8", 25: "GridFS",
}

// pong answers a ping: modifier1 100, an empty warning, modifier2 1.
var pong = []byte{modPing, 0, 0, 1}

// NewCodec returns a codec for one connection. Of the limits it knows Params.
func NewCodec(limits cgi.Limits) *Codec {
	if limits.Params <= 0 {
		limits.Params = defaultParams
	}
	return &Codec{limits: limits}
}

// Reset forgets the connection, so that a pool can hand the codec to the next.
func (c *Codec) Reset() {
	c.vars.Drop()
	*c = Codec{limits: c.limits, Chunked: c.Chunked}
}

// Feed implements [cgi.Codec].
func (c *Codec) Feed(p []byte, sink cgi.Sink) (n int, err error) {
	if c.state == closed {
		return len(p), nil
	}
	if c.state == inHeader {
		if len(p) < headerLen {
			return 0, nil
		}
		if err := c.header(p, sink); err != nil {
			return headerLen, err
		}
		n = headerLen
	}
	if c.state == inVars {
		k, err := c.packet(p[n:], sink)
		n += k
		if err != nil {
			return n, err
		}
	}
	if c.state == inBody && n < len(p) {
		k := sink.Body(requestID, p[n:n+int(min(c.body, int64(len(p)-n)))])
		n += k
		if c.body -= int64(k); c.body > 0 {
			return n, nil
		}
		c.state = complete
		sink.End(requestID)
	}
	if c.state == inChunks && n < len(p) {
		k, err := c.feedChunks(p[n:], sink)
		n += k
		if err != nil {
			return n, err
		}
	}
	if c.state == complete && n < len(p) && (!c.upgrade || c.answered) {
		c.note(sink)
		n = len(p)
	}
	return n, nil
}

// feedChunks takes a body that came as it was on the router's client side.
func (c *Codec) feedChunks(p []byte, sink cgi.Sink) (n int, err error) {
	for n < len(p) && c.state == inChunks {
		if left := c.chunks.Left(); left > 0 {
			piece := p[n:][:min(left, int64(len(p)-n))]
			k := sink.Body(requestID, piece)
			c.chunks.Took(k)
			if n += k; k < len(piece) {
				return n, nil
			}
			continue
		}
		k, text := c.chunks.Scan(p[n:])
		n += k
		switch {
		case text != "":
			return n, c.garbled(text, sink)
		case c.chunks.Done():
			c.state = complete
			sink.End(requestID)
		}
	}
	return n, nil
}

// garbled gives up a request whose body makes no sense.
func (c *Codec) garbled(text string, sink cgi.Sink) error {
	if c.started || c.answered {
		c.state = closed
		err := fault(0, text)
		sink.Abort(requestID, err)
		return err
	}
	err := c.refuse(400, false, text, sink)
	c.answered = true
	sink.Abort(requestID, err)
	return err
}

// header decides by modifier1 what becomes of the packet.
func (c *Codec) header(p []byte, sink cgi.Sink) error {
	c.state = closed
	c.modifier1, c.size = p[0], int(p[1])|int(p[2])<<8
	switch c.modifier1 {
	case modRequest, modPathInfo:
		c.state = inVars
		return nil
	case modPing:
		sink.Reply(pong)
		return io.EOF
	}
	if name, ok := languages[c.modifier1]; ok {
		return c.refuse(501, false, fmt.Sprintf("modifier1 %d asks for %s", c.modifier1, name), sink)
	}
	return fault(0, fmt.Sprintf("modifier1 %d is not served", c.modifier1))
}

// packet takes vars, and hands the request out when they are complete.
func (c *Codec) packet(p []byte, sink cgi.Sink) (n int, err error) {
	if !c.vars.Held() && len(p) >= c.size {
		return c.size, c.head(p[:c.size], sink)
	}
	n = min(len(p), c.size-len(c.vars.Bytes()))
	c.vars.Add(p[:n])
	if len(c.vars.Bytes()) == c.size {
		err = c.head(c.vars.Bytes(), sink)
		c.vars.Drop()
	}
	return n, err
}

// head hands out the request.
func (c *Codec) head(p []byte, sink cgi.Sink) error {
	if len(p) > c.limits.Params {
		noBody, big := scanVars(p)
		return c.refuse(431, noBody, fmt.Sprintf("vars of %d bytes are over the limit of %d; the biggest: %s", len(p), c.limits.Params, &big), sink)
	}
	h, err := parseVars(p)
	if err != nil {
		noBody, _ := scanVars(p)
		return c.refuse(400, noBody, err.Error(), sink)
	}
	f := look(h)
	if f.fault != "" {
		return c.refuse(400, f.head, f.fault, sink)
	}
	h.Modifier1 = c.modifier1
	h.ContentLength = f.length
	h.Upgrade = f.upgrade
	c.upgrade, c.body = f.upgrade, f.length
	c.state = inBody
	if c.Chunked && f.chunked {
		h.ContentLength, c.state = cgi.UnknownLength, inChunks
	}
	sink.Head(requestID, h)
	if c.state == inBody && c.body == 0 {
		c.state = complete
		sink.End(requestID)
	}
	return nil
}

// EOF implements [cgi.Codec].
func (c *Codec) EOF(sink cgi.Sink) error {
	was := c.state
	c.state = closed
	switch was {
	case inVars:
		return c.refuse(400, false, "the connection ended within the vars", sink)
	case inBody, inChunks:
		sink.Abort(requestID, io.ErrUnexpectedEOF)
	case complete:
		c.state = complete
	}
	return nil
}

// Idle implements [cgi.Codec]. After the answer to a request that was read to its
// end nothing more is due either.
func (c *Codec) Idle() bool { return c.state == inHeader || c.state == complete && c.answered }

// Drain implements [cgi.Codec]: a connection ends after its answer anyway.
func (c *Codec) Drain() {}

// KeepAlive implements [cgi.Codec]. It is true until the request is answered.
func (c *Codec) KeepAlive() bool { return !c.answered && c.state != closed }

// note reports bytes behind the request, once.
func (c *Codec) note(sink cgi.Sink) {
	if !c.noted {
		c.noted = true
		sink.Note("uwsgi: more bytes than CONTENT_LENGTH announced")
	}
}

// refuse gives an answer of the codec's own; the connection ends with it.
func (c *Codec) refuse(status int, noBody bool, text string, sink cgi.Sink) error {
	c.state = closed
	c.vars.Drop()
	h, body := cgi.Refusal(status, noBody)
	sink.Reply(append(appendHead(nil, h), body...))
	return fault(status, text)
}

// fault is an error that ends the connection.
func fault(status int, text string) error {
	return &cgi.Error{Protocol: cgi.UWSGI, Status: status, Text: text}
}
