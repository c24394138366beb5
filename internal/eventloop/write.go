// Output: answers, through the codec to the socket, and what it does not take.

//go:build linux

package eventloop

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

const (
	gather = 16 << 10 // bodies up to this size are copied behind their head
	iovecs = 64
)

// Answer gives the next part of the answer: the head (nil once given), a piece of
// the body, and, if last, the end. A whole answer given at once costs one write.
// What the socket does not take is copied, kept and written by the loop; pending is
// how many bytes of this connection wait. Answer never blocks: whoever writes much
// calls WaitOut between the pieces. err says that the peer is gone.
//
// The caller keeps to the head: not more bytes than its ContentLength, and Break
// instead of last when they are fewer. The head must stay as it is until the end.
func (x *Exchange) Answer(h *cgi.AnswerHead, body []byte, last bool) (pending int, err error) {
	c := x.conn
	if h != nil && c.loop.config.Rewrite != nil {
		x.rewriter = c.loop.config.Rewrite(x, h)
	}
	if x.rewriter != nil {
		body = x.rewriter.Rewrite(body, last)
	}
	c.mu.Lock()
	defer c.unlock()
	if x.ended {
		return 0, ErrClosed
	}
	if h != nil {
		h.Front = c.lis.Front
		h.Close = h.Close || c.proto == cgi.HTTP && c.loop.crowded()
		x.answer = h
	}
	x.sent += int64(len(body))
	if x.released {
		if err = x.Err(); err == nil {
			err = ErrClosed
		}
		if last {
			c.finish(x, 0)
		}
		return 0, err
	}
	x.answered = last
	c.put(x.id, h, body, last)
	if last {
		pending = c.pending()
		c.finish(x, x.answer.Status)
		return pending, nil
	}
	if c.gone {
		return 0, x.Err()
	}
	return c.pending(), nil
}

// put encodes a part of an answer and sends it.
func (c *conn) put(id uint16, h *cgi.AnswerHead, body []byte, last bool) {
	if c.gone {
		return // and with it the codec, or soon
	}
	if c.pending() > 0 {
		c.compact()
		c.out = c.codec.AppendAnswer(c.out, id, h, body, last)
		return
	}
	b := getBuffer()
	if len(body) <= gather {
		c.write(c.codec.AppendAnswer(b[:0], id, h, body, last))
	} else {
		c.putLarge(b, id, h, body, last)
	}
	putBuffer(b)
}

// putLarge sends a large body from where it is. b holds what stands around it.
func (c *conn) putLarge(b *buffer, id uint16, h *cgi.AnswerHead, body []byte, last bool) {
	var iov [iovecs]syscall.Iovec
	frame, n, from := b[:0], 0, 0
	add := func(p []byte) {
		if len(p) > 0 {
			iov[n].Base = &p[0]
			iov[n].SetLen(len(p))
			n++
		}
	}
	if h != nil {
		frame = c.codec.AppendAnswer(frame, id, h, nil, false)
	}
	for len(body) > 0 && n < iovecs-3 && len(frame) < len(b)-1024 {
		piece := body[:min(len(body), c.codec.MaxPiece())]
		body = body[len(piece):]
		frame = c.codec.AppendPrefix(frame, id, len(piece))
		add(frame[from:])
		from = len(frame)
		add(piece)
		frame = c.codec.AppendSuffix(frame, id, len(piece))
	}
	if last && len(body) == 0 {
		frame = c.codec.AppendAnswer(frame, id, nil, nil, true)
	}
	add(frame[from:])
	c.writev(iov[:n])
	if len(body) > 0 {
		c.put(id, nil, body, last)
	}
}

// pending is how many bytes wait for the socket.
func (c *conn) pending() int { return len(c.out) - c.sent }

// compact takes away what was sent, when that is most of it: a peer that always
// leaves something waiting must not make a long answer pile up.
func (c *conn) compact() {
	if c.sent > c.pending() {
		c.out = c.out[:copy(c.out, c.out[c.sent:])]
		c.sent = 0
	}
}

// write sends p behind what waits already.
func (c *conn) write(p []byte) {
	if c.gone || len(p) == 0 {
		return
	}
	if c.pending() > 0 {
		c.compact()
		c.out = append(c.out, p...)
		return
	}
	n, e := send(c.fd, p)
	c.wrote(n, len(p), e)
	if !c.gone && n < len(p) {
		c.out = append(c.out[:0], p[max(n, 0):]...)
		c.sent = 0
		c.blocked()
	}
}

// writev sends several pieces, when nothing waits.
func (c *conn) writev(iov []syscall.Iovec) {
	total := 0
	for i := range iov {
		total += int(iov[i].Len)
	}
	n, e := sendv(c.fd, iov)
	c.wrote(n, total, e)
	if c.gone || n == total {
		return
	}
	n = max(n, 0)
	for i := range iov {
		p := unsafe.Slice(iov[i].Base, int(iov[i].Len))
		skip := min(n, len(p))
		n -= skip
		c.out = append(c.out, p[skip:]...)
	}
	c.blocked()
}

// wrote counts what the socket took and sees that a peer is gone.
func (c *conn) wrote(n, of int, e syscall.Errno) {
	if n > 0 {
		c.loop.board.Add(handoff.BytesOut, n)
	}
	if e != 0 && e != syscall.EAGAIN {
		c.lose(cgi.ErrHangup)
	}
}

// blocked is called when bytes begin to wait for the socket.
func (c *conn) blocked() {
	c.outAt = c.loop.now()
	c.arm(true)
}

// flush sends what waits.
func (c *conn) flush() {
	n, e := send(c.fd, c.out[c.sent:])
	c.wrote(n, c.pending(), e)
	if c.gone || n <= 0 {
		return
	}
	c.outAt = c.loop.now()
	c.sent += n
	if c.pending() == 0 {
		c.out, c.sent, c.replies = nil, 0, 0
		c.arm(false)
	}
	c.each((*Exchange).wakeWriter)
	c.settle()
	if c.loop.draining.Load() {
		c.leave() // what was answered last had to be sent first
	}
}

// WaitOut blocks until at most limit bytes wait to be written, the write deadline
// or a silence longer than write_timeout (os.ErrDeadlineExceeded), or the end of
// the peer. Meanwhile the body of the request is taken from the front, which may
// read nothing before it has sent everything.
func (x *Exchange) WaitOut(limit int) error {
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	for {
		switch {
		case x.ended:
			return ErrClosed
		case x.released || c.gone:
			if err := x.Err(); err != nil {
				return err
			}
			return ErrClosed
		case c.pending() <= limit:
			return nil
		case !x.writeDeadline.IsZero() && !time.Now().Before(x.writeDeadline):
			return os.ErrDeadlineExceeded
		}
		c.full = false
		c.pull()
		if c.pending() > limit && !x.released {
			x.park(&x.writer, sooner(0, x.writeDeadline))
			if c.loop.config.Serve == nil && !c.closed && c.pending() > 0 {
				c.flush()
			}
		}
	}
}

// Stderr tells the front a line about this request, for its log, where the listener
// says so and the protocol can: that is FastCGI, before the end of the answer.
func (x *Exchange) Stderr(line string) {
	c := x.conn
	if !c.lis.Stderr {
		return
	}
	c.mu.Lock()
	defer c.unlock()
	if k := c.fastcgi(); k != nil && !x.released && !x.ended && c.pending() < maxReplies {
		c.write(k.AppendStderr(nil, x.id, line))
	}
}

// SetWriteDeadline bounds WaitOut and SendFile beside write_timeout. The zero time
// is no bound.
func (x *Exchange) SetWriteDeadline(t time.Time) error {
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	if x.ended {
		return ErrClosed
	}
	x.writeDeadline = t
	x.wakeWriter()
	return nil
}
