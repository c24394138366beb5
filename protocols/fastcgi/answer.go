// Answers: STDOUT records and the END_REQUEST behind them.

package fastcgi

import (
	"bytes"

	"github.com/appd-server/appd/protocols/cgi"
)

// maxPiece is the content of a STDOUT record in a long answer. lighttpd handles a
// record only when it has all of it, so the largest possible would delay a stream.
const maxPiece = 32 << 10

// maxFirst is the content of the record that the head is in. HAProxy takes a record
// that fits into its buffer of 16 KiB as a whole and any other piece by piece; with
// half a head before it, before version 2.6.14 it stood still with all that shares
// the connection, or crashed.
const maxFirst = 16000

// AppendAnswer implements [cgi.Codec]. The head and the first bytes of the body
// share a record; the last bytes and END_REQUEST share the write.
func (c *Codec) AppendAnswer(dst []byte, id uint16, h *cgi.AnswerHead, body []byte, last bool) []byte {
	st := c.stream(id)
	if st == nil {
		return dst
	}
	if h != nil {
		var n int
		dst, n = appendHead(dst, id, h, body)
		c.ending = c.ending || h.Close
		st.counted = h.ContentLength >= 0 && !h.NoLength && h.Front != cgi.Apache
		body = body[n:]
	}
	dst = appendStream(dst, typeStdout, id, body)
	if last {
		dst = appendHeader(dst, typeStdout, id, 0)
		status := uint8(RequestComplete)
		if st.beside || c.alone && len(c.streams) > 1 { // its answer is complete, and HAProxy takes the hint
			status = CantMultiplex
		}
		dst = appendEnd(dst, id, 0, status)
		c.free(st)
	}
	return dst
}

// appendHead appends the head and as much of the body as goes into its record,
// and returns how much that is.
func appendHead(dst []byte, id uint16, h *cgi.AnswerHead, body []byte) (_ []byte, n int) {
	if h.Status < 200 { // also 101: there are no tunnels in FastCGI
		fixed := *h
		fixed.Status = 0
		h = &fixed
	}
	start := len(dst)
	dst = appendHeader(dst, typeStdout, id, 0)
	dst = append(dst, "Status: "...)
	dst = h.AppendStatus(dst)
	dst = append(dst, "\r\n"...)
	dst = h.AppendFields(dst)
	dst = append(dst, "\r\n"...)
	size := len(dst) - start - headerLen
	h.CheckSize(dst[start+headerLen:], headerLen)
	if size > maxPiece {
		head := bytes.Clone(dst[start+headerLen:])
		return appendStream(dst[:start], typeStdout, id, head), 0
	}
	n = min(len(body), max(maxFirst-size, 0))
	dst = append(dst, body[:n]...)
	return finishRecord(dst, start), n
}

// appendStream appends content as records; nothing for no content, because an
// empty record would end the stream.
func appendStream(dst []byte, typ uint8, id uint16, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), maxPiece)
		dst = appendRecord(dst, typ, id, content[:n])
		content = content[n:]
	}
	return dst
}

// maxLine bounds a line for the front's log: nginx cuts its own lines at 2048 bytes.
const maxLine = 1000

// AppendStderr appends a line for the front's log, in a record of its own.
func (c *Codec) AppendStderr(dst []byte, id uint16, line string) []byte {
	if line == "" || c.stream(id) == nil {
		return dst // an empty record would end the stream
	}
	return appendRecord(dst, typeStderr, id, []byte(line[:min(len(line), maxLine)]))
}

// AppendPrefix implements [cgi.Codec].
func (c *Codec) AppendPrefix(dst []byte, id uint16, n int) []byte {
	return appendHeader(dst, typeStdout, id, n)
}

// AppendSuffix implements [cgi.Codec].
func (c *Codec) AppendSuffix(dst []byte, id uint16, n int) []byte {
	return append(dst, zeros[:padding(n)]...)
}

// MaxPiece implements [cgi.Codec].
func (c *Codec) MaxPiece() int { return maxPiece }

// AppendContinue implements [cgi.Codec]: the front has sent "100 Continue" itself.
func (c *Codec) AppendContinue(dst []byte, id uint16) []byte { return dst }

// AppendAbort implements [cgi.Codec]. An answer whose length the front knows is
// ended: the front compares, and cuts the client off. (nginx compares only then;
// at a connection that just closes it takes the answer for complete, unless it
// keeps its connections, and lets the client wait for the rest.) Of any other
// answer only the missing end of STDOUT and of the request shows that it is cut,
// so the connection closes without them; beside other requests that is not
// possible and END_REQUEST alone, with an application status, has to do.
func (c *Codec) AppendAbort(dst []byte, id uint16) (out []byte, closing bool) {
	st := c.stream(id)
	if st == nil {
		return dst, !c.KeepAlive()
	}
	switch {
	case st.aborted:
		dst = appendEnd(dst, id, 0, RequestComplete)
	case len(c.streams) > 1:
		dst = appendEnd(dst, id, 1, RequestComplete)
	case st.counted:
		dst = appendEnd(dst, id, 1, RequestComplete)
		c.ending = true
	default:
		c.ending = true
	}
	c.free(st)
	return dst, !c.KeepAlive()
}
