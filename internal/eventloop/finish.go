// The end of an exchange, and what becomes of its connection.

//go:build linux

package eventloop

import (
	"errors"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

var errShortFile = errors.New("eventloop: the file became shorter while it was sent")

// finish ends an exchange whose answer, with this status, was given to the end;
// status 0 stands for an answer that was broken off.
func (c *conn) finish(x *Exchange, status int) {
	x.ended = true
	x.body.free()
	x.wakeReader()
	x.wakeWriter()
	switch {
	case x.handed && c.loop.config.Hold && !x.apart:
		x.status = status
	case x.handed || x.refuse != nil:
		c.loop.finished(x, status)
	}
	if x.released {
		return
	}
	x.released = true
	c.complete = x.inDone
	c.remove(x)
	if c.active > 0 {
		c.register() // a foreign thread that served x alone has not done so, and the others wait
		return
	}
	if c.closed {
		return
	}
	if c.closing || c.faulty || c.gone || !c.codec.KeepAlive() && !c.moreToCome() {
		c.closing = true
		c.settle()
		return
	}
	c.idleAt, c.thrown, c.kept = c.loop.now(), 0, true
	if c.feeding {
		return // pull goes on
	}
	if c.in < len(c.held) || c.readable || c.full {
		c.full = false
		c.pull()
	}
	if c.active == 0 {
		c.keep()
	} else {
		c.wait() // the next request has begun
	}
}

// Done says, under Config.Hold, that the application has finished with a request
// whose exchange has ended. It is called once, after every other call.
func (x *Exchange) Done() { x.conn.loop.finished(x, x.status) }

// keep leaves a connection open for the next request.
func (c *conn) keep() {
	if c.closed || c.loop.draining.Load() && c.leave() {
		return
	}
	if c.eof {
		c.settle()
		return
	}
	c.register()
}

// finished counts a request and writes its line in the access log.
func (l *Loop) finished(x *Exchange, status int) {
	now := handoff.Now()
	x.row.End()
	x.row = handoff.Row{} // the next request may have it
	l.board.Served(uint8(x.Head.Protocol), status, time.Duration(now-x.Started))
	l.logAccess(x, status, now)
	l.slow.ended(x, status, now)
	if !x.apart {
		l.leaveFlight()
	}
}

// forgo takes an exchange from its connection while the application still has it:
// the front gave it up.
func (c *conn) forgo(x *Exchange) {
	if x.released {
		return
	}
	x.released = true
	x.wakeReader()
	x.wakeWriter()
	c.remove(x)
	if !x.handed {
		x.ended = true
		x.body.free()
	}
}

// forgoAll ends what is under way on a connection whose front is gone.
func (c *conn) forgoAll(cause error) {
	c.each(func(x *Exchange) {
		x.cutInput()
		x.abort(cause)
		c.forgo(x)
	})
}

// abandon answers what a codec wants to hear after the peer aborted a request.
func (c *conn) abandon(x *Exchange) {
	if x.released {
		return
	}
	out, closing := c.codec.AppendAbort(nil, x.id)
	c.write(out)
	c.forgo(x)
	if closing {
		c.closing = true
	}
}

// refusal is an answer that the loop gives by itself.
type refusal struct {
	status int
	text   string
	fields []cgi.Var
}

var (
	tooLarge   = &refusal{413, "The request is larger than this server accepts.\n", nil}
	cutShort   = &refusal{400, "The body of the request is incomplete.\n", nil}
	noRoom     = &refusal{507, "The body of the request could not be stored.\n", nil}
	overloaded = &refusal{503, "The server is busy. Please try again.\n", []cgi.Var{{Name: "Retry-After", Value: "1"}}}
	broken     = &refusal{500, "The application gave this request up.\n", nil}
	misguided  = &refusal{502, "This socket speaks another protocol; see the log of the server.\n", nil}
)

// decline gives an exchange its refusal.
func (c *conn) decline(x *Exchange) {
	if x.released {
		return
	}
	r := x.refuse
	if !x.handed {
		x.Started = handoff.Now()
		c.loop.inFlight.Add(1)
	}
	h := &cgi.AnswerHead{
		Status:        r.status,
		ContentLength: int64(len(r.text)),
		Fields:        append([]cgi.Var{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, r.fields...),
		Close:         r != overloaded || c.proto != cgi.FastCGI, // which has no word for it
		Front:         c.lis.Front,
	}
	body := []byte(r.text)
	if x.Head.WantsNoBody() {
		h.NoBody, body = true, nil
	}
	x.answer, x.sent, x.answered = h, int64(len(body)), true
	c.put(x.id, h, body, true)
	c.finish(x, r.status)
}
