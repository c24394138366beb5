// Reading the body of a request.

package http1

import (
	"io"

	"github.com/appd-server/appd/protocols/cgi"
)

// take offers the part of the body at the beginning of p to sink, no more than
// left bytes, and returns how many are done with. What comes after the answer is
// thrown away.
func (c *Codec) take(p []byte, left int64, sink cgi.Sink) int {
	if int64(len(p)) > left {
		p = p[:left]
	}
	if !c.active {
		c.discards += int64(len(p))
		return len(p)
	}
	c.waiting = false // the client did not wait
	return sink.Body(requestID, p)
}

// feedBody reads a body of known length.
func (c *Codec) feedBody(p []byte, n int, sink cgi.Sink) int {
	if n < len(p) {
		took := c.take(p[n:], c.left, sink)
		n += took
		c.left -= int64(took)
	}
	if c.left == 0 {
		c.received(sink)
	}
	return n
}

// feedChunks reads a chunked body.
func (c *Codec) feedChunks(p []byte, n int, sink cgi.Sink) (int, error) {
	for n < len(p) {
		if left := c.chunks.Left(); left > 0 {
			took := c.take(p[n:], left, sink)
			n += took
			c.chunks.Took(took)
			if c.discards > maxDiscard {
				c.state, c.closing = closed, true
				return n, io.EOF
			}
			if c.chunks.Left() > 0 {
				return n, nil
			}
			continue
		}
		m, text := c.chunks.Scan(p[n:])
		n += m
		if text != "" {
			return n, c.refuse(400, text, sink)
		}
		if c.chunks.Done() {
			c.received(sink)
			return n, nil
		}
	}
	return n, nil
}
