// Answers: an HTTP/1.1 head, the body, and the end of the connection.

package uwsgi

import "github.com/appd-server/appd/protocols/cgi"

// AppendAnswer implements [cgi.Codec].
func (c *Codec) AppendAnswer(dst []byte, id uint16, h *cgi.AnswerHead, body []byte, last bool) []byte {
	if c.answered {
		return dst
	}
	if h != nil {
		c.started = true
		dst = appendHead(dst, h)
	}
	c.answered = last
	return append(dst, body...)
}

// appendHead appends a head. The status line says HTTP/1.1 whatever the client
// spoke: Apache answers 502 to anything that is not "HTTP/d.d ddd".
func appendHead(dst []byte, h *cgi.AnswerHead) []byte {
	start := len(dst)
	dst = append(dst, "HTTP/1.1 "...)
	dst = h.AppendStatus(dst)
	dst = append(dst, "\r\n"...)
	dst = h.AppendFields(dst)
	dst = append(dst, "\r\n"...)
	h.CheckSize(dst[start:], 0)
	return dst
}

// AppendPrefix implements [cgi.Codec]: bodies are not framed.
func (c *Codec) AppendPrefix(dst []byte, id uint16, n int) []byte { return dst }

// AppendSuffix implements [cgi.Codec].
func (c *Codec) AppendSuffix(dst []byte, id uint16, n int) []byte { return dst }

// MaxPiece implements [cgi.Codec].
func (c *Codec) MaxPiece() int { return 1 << 30 }

// AppendContinue implements [cgi.Codec]: fronts take an interim answer for the
// final one.
func (c *Codec) AppendContinue(dst []byte, id uint16) []byte { return dst }

// AppendAbort implements [cgi.Codec]: the end of the connection is all there is to
// say it with.
func (c *Codec) AppendAbort(dst []byte, id uint16) (out []byte, closing bool) {
	c.answered = true
	return dst, true
}
