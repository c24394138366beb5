// Writing an answer.

package http1

import (
	"strconv"
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
)

// AppendAnswer implements [cgi.Codec].
func (c *Codec) AppendAnswer(dst []byte, _ uint16, h *cgi.AnswerHead, body []byte, last bool) []byte {
	if c.state == closed && !c.active {
		return dst // refused in the meantime
	}
	if h != nil {
		if n, ok := declared(h); ok {
			whole := *h
			whole.ContentLength, h = n, &whole
		} else if h.ContentLength < 0 && last && !h.NoBody && !c.head {
			whole := *h
			whole.ContentLength, h = int64(len(body)), &whole
		}
		dst = c.appendHead(dst, h, nil)
	}
	if len(body) > 0 && !c.noBody {
		dst = c.AppendPrefix(dst, requestID, len(body))
		dst = append(dst, body...)
		dst = c.AppendSuffix(dst, requestID, len(body))
	}
	if last {
		if c.chunked {
			dst = append(dst, "0\r\n\r\n"...)
		}
		c.end()
	}
	return dst
}

// declared is the length that only the fields of h name, because the application
// set it and nobody looked. Beside chunks it would be a lie.
func declared(h *cgi.AnswerHead) (int64, bool) {
	if h.ContentLength >= 0 {
		return 0, false
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; len(f.Name) == 14 && strings.EqualFold(f.Name, "Content-Length") {
			return cgi.ParseLength(f.Value)
		}
	}
	return 0, false
}

// appendHead appends the head h, and body as it is.
func (c *Codec) appendHead(dst []byte, h *cgi.AnswerHead, body []byte) []byte {
	c.started = true
	c.noBody = h.Status != 101 && (h.NoBody || c.head || h.Status == 204 || h.Status == 304)
	c.decide(h)
	dst = append(dst, "HTTP/1.1 "...)
	dst = h.AppendStatus(dst)
	dst = append(dst, "\r\n"...)
	dst = h.AppendFields(dst)
	switch {
	case h.Status == 101:
		c.state = inTunnel
	case c.closing:
		dst = append(dst, "Connection: close\r\n"...)
	case c.http10:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	if c.chunked {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	if !c.noBody {
		dst = append(dst, body...)
	}
	return dst
}

// decide settles how the answer ends, and whether the connection does with it.
func (c *Codec) decide(h *cgi.AnswerHead) {
	c.closing = c.closing || h.Close || c.drain || !c.keep
	unknown := h.ContentLength < 0 || h.NoLength
	c.chunked = false
	switch {
	case h.Status == 101:
		c.closing = true
	case unknown && !c.noBody && c.http10:
		c.closing = true // the end of the connection is the end of the body
	case unknown && !c.noBody:
		c.chunked = true
	}
	if c.state == inBody && (c.waiting || c.left > maxDiscard) || c.state == inChunks && c.waiting {
		// The rest of the body would have to be waited for, or is a lot.
		c.closing = true
	}
}

// end notes that the answer has ended.
func (c *Codec) end() {
	c.active = false
	if c.state == atEnd {
		c.next()
	}
	if c.state == inTunnel {
		c.state = closed
	}
}

// AppendPrefix implements [cgi.Codec].
func (c *Codec) AppendPrefix(dst []byte, _ uint16, n int) []byte {
	if c.chunked {
		dst = strconv.AppendInt(dst, int64(n), 16)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// AppendSuffix implements [cgi.Codec].
func (c *Codec) AppendSuffix(dst []byte, _ uint16, n int) []byte {
	if c.chunked {
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// MaxPiece implements [cgi.Codec]. Any piece will do; the bound keeps sizes in 32
// bits.
func (c *Codec) MaxPiece() int { return 1 << 30 }

// AppendContinue implements [cgi.Codec]. It is for a client that asked for it, once,
// and not when the answer has begun or the body did without.
func (c *Codec) AppendContinue(dst []byte, _ uint16) []byte {
	if !c.waiting || c.started {
		return dst
	}
	c.waiting = false
	return append(dst, "HTTP/1.1 100 Continue\r\n\r\n"...)
}

// AppendAbort implements [cgi.Codec]. HTTP has nothing to say: a body that ends
// with the connection before its length or its last chunk is broken.
func (c *Codec) AppendAbort(dst []byte, _ uint16) (out []byte, closing bool) {
	c.closing, c.active, c.state = true, false, closed
	return dst, true
}
