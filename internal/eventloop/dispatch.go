// From the codec's findings to the application: who gets an exchange, and when.

//go:build linux

package eventloop

import (
	"errors"
	"io"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// turn collects what has to be done after a connection's lock was released.
type turn struct {
	any     bool
	pass    bool      // the descriptor goes to another worker
	one     *Exchange // the usual case of start
	start   []*Exchange
	aborted []*Exchange
	notes   []string
}

// unlock releases the connection and does what was put off.
func (c *conn) unlock() {
	if !c.turn.any {
		c.mu.Unlock()
		return
	}
	t := c.turn
	c.turn = turn{}
	c.mu.Unlock()
	l := c.loop
	for _, text := range t.notes {
		l.logf("%s", text)
	}
	if t.pass {
		l.pass(c)
	}
	for _, x := range t.aborted {
		x.tellAbort()
	}
	if t.one != nil {
		l.startOne(t.one)
	}
	for _, x := range t.start {
		l.startOne(x)
	}
}

func (x *Exchange) tellAbort() {
	x.conn.loop.board.Add(handoff.Aborted, 1)
	x.conn.mu.Lock()
	f := x.onAbort
	x.onAbort = nil
	x.conn.unlock()
	if f != nil {
		f(x.Err())
	}
}

// handOut deals with what Feed found, now that the codec may be called again.
func (c *conn) handOut() {
	if len(c.fresh)+len(c.whole)+len(c.aborted) == 0 {
		return
	}
	if c.gone { // seen by a reply of the codec's own, with requests behind what it replied to
		c.forgoAll(cgi.ErrHangup)
	}
	for _, x := range c.aborted {
		c.abandon(x)
	}
	for _, x := range c.fresh {
		switch {
		case x.released:
		case x.refuse != nil:
			c.decline(x)
		case !c.loop.config.WholeBody:
			c.hand(x)
		}
	}
	for _, x := range c.whole {
		if !x.handed && !x.released && c.loop.config.WholeBody {
			c.handWhole(x)
		}
	}
	clear(c.fresh)
	clear(c.whole)
	clear(c.aborted)
	c.fresh, c.whole, c.aborted = c.fresh[:0], c.whole[:0], c.aborted[:0]
}

// handWhole hands out an exchange whose body has ended, if it ended well.
func (c *conn) handWhole(x *Exchange) {
	switch {
	case x.bodyErr == nil:
		c.hand(x)
		return
	case errors.Is(x.bodyErr, ErrTooLarge):
		x.refuse = tooLarge
	case errors.Is(x.bodyErr, io.ErrUnexpectedEOF):
		x.refuse = cutShort
	default:
		x.refuse = noRoom
	}
	c.decline(x)
}

// hand gives an exchange to the application.
func (c *conn) hand(x *Exchange) {
	l := c.loop
	x.handed = true
	x.Started = handoff.Now()
	x.limit = l.timeout
	l.inFlight.Add(1)
	var q handoff.Request
	x.describe(&q)
	x.row = l.board.Begin(x.Started, &q)
	if t := &c.turn; t.one == nil && len(t.start) == 0 {
		t.one = x
	} else {
		t.start = append(t.start, x)
	}
	c.turn.any = true
}

// describe says what the scoreboard shows of a request.
func (x *Exchange) describe(q *handoff.Request) {
	h := x.Head
	q.Protocol, q.Limit = uint8(h.Protocol), x.limit
	if h.Protocol == cgi.HTTP {
		q.Method, q.Target = h.Method, h.Target
	}
	for i := range h.Vars {
		switch v := &h.Vars[i]; v.Name {
		case "REQUEST_METHOD":
			q.Method = v.Value
		case "REQUEST_URI":
			q.Target = v.Value
		case "REMOTE_ADDR":
			q.Remote = v.Value
		case "HTTP_X_REQUEST_ID", "X-Request-Id", "X-Request-ID", "x-request-id":
			if validID(v.Value) {
				x.requestID = v.Value
			}
		case "HTTP_X_REQUEST_START", "X-Request-Start":
			x.before = sinceFront(v.Value, time.Now())
		}
	}
	if q.Remote == "" {
		if p := x.peer(); p.IsValid() {
			q.Remote = p.Addr().String()
		}
	}
	if x.requestID == "" {
		x.makeID()
	}
	q.ID = x.requestID
}

// startOne starts an exchange: in a goroutine of its own, or when a thread comes by.
func (l *Loop) startOne(x *Exchange) {
	if l.config.Intercept != nil && l.config.Intercept(x) {
		x.setApart()
		return
	}
	if l.config.Serve != nil {
		l.crew.start(x)
		return
	}
	l.ready.push(x)
}

// setApart has neither timeout nor drain wait for an intercepted exchange.
func (x *Exchange) setApart() {
	c := x.conn
	c.mu.Lock()
	ended := x.ended
	x.apart, x.limit = true, 0
	x.row.SetLimit(0)
	if !ended {
		c.register() // no thread comes back to it, and its client may leave
		if c.loop.draining.Load() {
			x.abort(cgi.ErrDraining)
		}
	}
	c.unlock()
	hold := c.loop.config.Hold
	if !ended || hold {
		c.loop.leaveFlight()
	}
	if ended && hold {
		x.Done() // which is for applications to say, but none has it
	}
}
