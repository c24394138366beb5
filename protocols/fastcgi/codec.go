// The server codec: which record the next bytes belong to.

package fastcgi

import (
	"fmt"
	"io"

	"github.com/appd-server/appd/protocols/cgi"
)

// A Codec is the server side of one connection. The zero Codec is not ready, use
// [NewCodec]; [Codec.Reset] makes it ready for another connection.
type Codec struct {
	limits cgi.Limits

	// The requests from BEGIN_REQUEST to END_REQUEST, in no order. The usual one
	// stands in the codec itself.
	streams []stream
	first   [1]stream

	// The record that the bytes stand in: what is still to come of its content
	// and padding, and where the content goes.
	rec    header
	to     place
	values cgi.Stash // content of a GET_VALUES so far
	kept   int       // bytes of unfinished params, of all requests

	owed     int  // answered requests whose STDIN the peer has not ended yet
	alone    bool // the front is asked to put no request beside another
	draining bool // the next answer is the last
	drained  bool // and was given
	ending   bool // the connection ends when no request is active
}

var _ cgi.Codec = (*Codec)(nil)

// place is where the content of a record goes.
type place uint8

const (
	toNowhere place = iota
	toParams
	toBody
	toValues
)

// Limits where none is set.
const (
	defaultParams  = 1 << 20
	defaultStreams = 100
	defaultConns   = 1000

	// maxKept bounds the unfinished params of all requests of a connection, in
	// multiples of the limit for one: many requests that never get to their end
	// must not cost many times the limit.
	maxKept = 4
)

// NewCodec returns a codec for one connection. Of the limits it knows Params,
// Streams and Conns.
func NewCodec(limits cgi.Limits) *Codec {
	if limits.Params <= 0 {
		limits.Params = defaultParams
	}
	if limits.Streams <= 0 {
		limits.Streams = defaultStreams
	}
	if limits.Conns <= 0 {
		limits.Conns = defaultConns
	}
	c := &Codec{limits: limits}
	c.streams = c.first[:0]
	return c
}

// Reset forgets the connection, so that a pool can hand the codec to the next.
func (c *Codec) Reset() {
	for i := range c.streams {
		c.drop(&c.streams[i])
	}
	c.values.Drop()
	*c = Codec{limits: c.limits}
	c.streams = c.first[:0]
}

// Feed implements [cgi.Codec].
func (c *Codec) Feed(p []byte, sink cgi.Sink) (n int, err error) {
	for {
		for c.rec.content > 0 && n < len(p) {
			k := c.content(p[n:], sink)
			if k == 0 {
				return n, nil // the sink is full
			}
			n += k
			c.rec.content -= k
		}
		if c.rec.content > 0 {
			return n, nil
		}
		if err := c.contentDone(sink); err != nil {
			return n, err
		}
		skip := min(c.rec.padding, len(p)-n)
		c.rec.padding -= skip
		n += skip
		if n == len(p) {
			return n, nil
		}
		if p[n] != version {
			return n, fault(0, fmt.Sprintf("version %d where a record of version 1 should begin", p[n]))
		}
		if len(p)-n < headerLen {
			return n, nil
		}
		k, err := c.record(p[n:], sink)
		n += k
		if err != nil || k == 0 {
			return n, err
		}
	}
}

// content gives the next bytes of the current record to where they belong and
// returns how many were taken.
func (c *Codec) content(p []byte, sink cgi.Sink) int {
	p = p[:min(c.rec.content, len(p))]
	switch c.to {
	case toParams:
		st := c.stream(c.rec.id)
		st.params.Add(p)
		c.kept += len(p)
	case toBody:
		return c.stream(c.rec.id).body(p, sink)
	case toValues:
		c.values.Add(p)
	}
	return len(p)
}

// contentDone does what can be done once a record is there in full. It is called
// again while the padding trickles in.
func (c *Codec) contentDone(sink cgi.Sink) error {
	to := c.to
	c.to = toNowhere
	switch to {
	case toParams:
		st := c.stream(c.rec.id)
		if params := st.params.Bytes(); len(params) > c.limits.Params {
			return c.refuseBig(st.id, params, sink)
		}
		if c.kept > maxKept*c.limits.Params {
			return c.refuse(st.id, 503, false, fmt.Sprintf("request %d: the unfinished params of %d requests are %d bytes", st.id, len(c.streams), c.kept), sink)
		}
	case toValues:
		c.answerValues(sink)
	}
	return nil
}

// record begins the record at the front of p, where at least its header stands,
// and returns how many bytes it took: 0 when it needs more of them.
func (c *Codec) record(p []byte, sink cgi.Sink) (n int, err error) {
	rec := parseHeader(p)
	n = headerLen
	var to place
	switch {
	case rec.typ == typeBeginRequest:
		if rec.content == beginLen {
			if n += beginLen; len(p) < n {
				return 0, nil
			}
		}
		err = c.begin(rec, p, sink)
		rec.content = 0
	case rec.typ == typeGetValues:
		to = toValues
	case rec.id == 0:
		c.unknownType(rec.typ, sink)
	case rec.typ == typeAbortRequest:
		err = c.abort(rec.id, sink)
	case rec.typ == typeParams:
		return c.params(rec, p, sink)
	case rec.typ == typeStdin:
		to, err = c.stdin(rec, sink)
	case rec.typ == typeData:
		// Only filters have a use for it.
	default:
		err = fault(0, fmt.Sprintf("a record of type %d for request %d", rec.typ, rec.id))
	}
	c.rec, c.to = rec, to
	return n, err
}

// EOF implements [cgi.Codec].
func (c *Codec) EOF(sink cgi.Sink) error {
	c.ending = true
	c.rec, c.to = header{}, toNowhere
	var err error
	for i := len(c.streams) - 1; i >= 0; i-- {
		switch st := &c.streams[i]; st.state {
		case inParams:
			err = c.refuse(st.id, 400, false, fmt.Sprintf("the connection ended within the params of request %d", st.id), sink)
		case inBody:
			st.endBody(io.ErrUnexpectedEOF, sink)
		}
	}
	return err
}

// Idle implements [cgi.Codec].
func (c *Codec) Idle() bool {
	return len(c.streams) == 0 && c.rec.content == 0 && c.rec.padding == 0 && c.owed == 0
}

// Owed says that nothing is to come but the rest of requests that were answered
// before they had arrived in full.
func (c *Codec) Owed() bool { return len(c.streams) == 0 && !c.Idle() }

// Drain implements [cgi.Codec]. FastCGI cannot tell a front to go: the connection
// ends after the next answer that leaves no other request active.
func (c *Codec) Drain() { c.draining = true }

// Unshare asks a front that puts requests beside others to stop that, with every
// answer from now on. HAProxy begins no further request then before all others on the
// connection have ended: soon it is idle, however much there is to do.
func (c *Codec) Unshare() { c.alone = true }

// KeepAlive implements [cgi.Codec].
func (c *Codec) KeepAlive() bool { return !c.ending && !c.drained || len(c.streams) > 0 }

// Ending says that the connection has to end for another reason than Drain.
func (c *Codec) Ending() bool { return c.ending }

// fault is an error that ends the connection.
func fault(status int, text string) error {
	return &cgi.Error{Protocol: cgi.FastCGI, Status: status, Text: text}
}
