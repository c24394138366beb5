// Input: from the socket through the codec to the exchanges.

//go:build linux

package eventloop

import (
	"errors"
	"io"
	"syscall"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

const (
	turnBytes  = 1 << 20 // bytes of one connection before others have their turn
	throwBytes = 1 << 30 // bytes of unwanted bodies that a connection is read on for
	maxReplies = 1 << 20 // bytes of the codec's own that may wait for the socket
)

// pull reads what the socket has and feeds it, as long as somebody wants it.
func (c *conn) pull() {
	c.feed()
	for got := 0; c.readable && !c.closed && c.wants(); {
		if got >= turnBytes {
			c.again()
			break
		}
		p := c.space()
		if len(p) == 0 {
			break // a pipelined request waits for the answer to the one before
		}
		n, e := receive(c.fd, p)
		if e == syscall.EAGAIN {
			c.readable = false
			break
		}
		if e != 0 {
			c.lose(cgi.ErrHangup)
			break
		}
		if n == 0 {
			c.endInput()
			break
		}
		got += n
		c.loop.board.Add(handoff.BytesIn, n)
		c.inAt = c.loop.now()
		if c.active == 0 && !c.lingering && (c.codec == nil || c.codec.Idle()) {
			c.idleAt = c.inAt // the head of a request begins
		}
		// A short read emptied the socket: epoll reports what comes later, but the
		// end of the input was perhaps reported together with these bytes.
		c.readable = n == len(p) || c.ended
		c.held = c.held[:len(c.held)+n]
		c.feed()
	}
	c.release()
	c.settle()
}

// wants says whether bytes that the socket has would go anywhere.
func (c *conn) wants() bool {
	switch {
	case c.eof || c.gone || c.faulty && !c.lingering:
		return false
	case c.lingering || c.closing || c.active == 0:
		return true
	case c.full:
		return false
	case c.proto == cgi.FastCGI:
		return len(c.held)-c.in < bufferSize // an abort, or another request
	}
	return c.first != nil && !c.first.inDone
}

// space is the free memory behind what is held. A codec leaves only a few bytes
// because they are incomplete, so one buffer is always enough.
func (c *conn) space() []byte {
	if c.buf == nil {
		c.buf = getBuffer()
		c.held, c.in = c.buf[:0], 0
	}
	if c.in > 0 {
		c.held = c.buf[:copy(c.buf[:], c.held[c.in:])]
		c.in = 0
	}
	return c.buf[len(c.held):]
}

// release gives the memory back when nothing is held.
func (c *conn) release() {
	if c.in < len(c.held) || c.buf == nil {
		return
	}
	putBuffer(c.buf)
	c.buf, c.held, c.in = nil, nil, 0
}

// feed gives the codec what is held.
func (c *conn) feed() {
	if c.lingering || c.closing {
		c.throw(len(c.held) - c.in)
		c.in = len(c.held)
		return
	}
	if c.in == len(c.held) || c.faulty || c.gone {
		return
	}
	switch {
	case c.codec == nil:
		if !c.detect() {
			return
		}
	case !c.checked:
		if !c.mistaken() {
			return
		}
	}
	c.full = false
	c.feeding = true
	n, err := c.codec.Feed(c.held[c.in:], (*sink)(c))
	c.in += n
	c.handOut()
	c.feeding = false
	if err != nil {
		c.fail(err)
	}
}

// throw counts bytes that nobody wants and ends a peer that sends too many.
func (c *conn) throw(n int) {
	if c.thrown += int64(n); c.thrown > throwBytes {
		c.note("gave up reading a body that nobody wants")
		c.lose(errUnwanted)
	}
}

var (
	errUnwanted = errors.New("the front sent too much of a body that was already answered")
	errUnread   = errors.New("the front asks without reading what it is told")
)

// fail ends a connection whose bytes make no sense; the codec has answered already
// what could be answered.
func (c *conn) fail(err error) {
	if c.faulty {
		return
	}
	c.faulty = true
	c.in = len(c.held)
	if err != io.EOF { // that is the end of a ping
		c.note(err.Error())
		c.loop.board.Add(handoff.Refused, 1)
	}
	c.each((*Exchange).cutInput)
	c.handOut() // a request that waited for its body is answered here
	c.settle()
}

// endInput is called when end-of-file was read.
func (c *conn) endInput() {
	c.readable, c.eof = false, true
	if c.codec == nil || c.lingering || c.faulty {
		return
	}
	c.feeding = true
	if err := c.codec.EOF((*sink)(c)); err != nil {
		c.note(err.Error())
	}
	c.each((*Exchange).cutInput)
	c.handOut()
	c.feeding = false
}

// sink receives what the codec found. It is the connection itself, whose lock is held.
type sink conn

func (s *sink) Head(id uint16, h *cgi.Head) {
	c := (*conn)(s)
	x := &Exchange{Head: h, Listener: c.lis.index, conn: c, id: id}
	if c.loop.config.WholeBody {
		x.body.memory, x.body.expect = c.loop.config.Memory, h.ContentLength
	}
	c.shared = c.shared || id > 1 && c.proto == cgi.FastCGI
	c.add(x)
	c.fresh = append(c.fresh, x)
	if limit := c.loop.config.Settings.LimitBody; limit > 0 && h.ContentLength > limit {
		x.refuse = tooLarge
	} else if c.refuse != overloaded || c.loop.busy() {
		x.refuse = c.refuse
	}
}

func (s *sink) Body(id uint16, p []byte) int {
	c := (*conn)(s)
	x := c.find(id)
	if x == nil || x.answered || x.refuse != nil || x.bodyErr != nil {
		c.throw(len(p))
		return len(p)
	}
	return x.take(p)
}

func (s *sink) End(id uint16) {
	c := (*conn)(s)
	if x := c.find(id); x != nil && !x.inDone {
		x.inDone = true
		x.wakeReader()
		if !x.handed {
			c.whole = append(c.whole, x)
		}
	}
}

func (s *sink) Abort(id uint16, cause error) {
	c := (*conn)(s)
	x := c.find(id)
	if x == nil {
		return
	}
	x.cutInput()
	if !errors.Is(cause, io.ErrUnexpectedEOF) {
		x.abort(cause)
		c.aborted = append(c.aborted, x)
	}
}

// Reply sends what the codec answers by itself. A peer that asks and asks and never
// reads is given up.
func (s *sink) Reply(p []byte) {
	c := (*conn)(s)
	c.shared = c.shared || c.proto == cgi.FastCGI && c.loop.config.Multiplex
	c.write(p)
	if c.pending() > 0 {
		if c.replies += len(p); c.replies > maxReplies {
			c.note(errUnread.Error())
			c.lose(errUnread)
		}
	}
}

func (s *sink) Note(text string) { (*conn)(s).note(text) }
