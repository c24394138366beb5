// The exchange: one request and its answer, as the application sees them.

//go:build linux

package eventloop

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// Exchange is one request and its answer. Reading and answering may happen in two
// goroutines at the same time; two that read, or two that answer, must take turns.
//
// After its end (an answer with last, Break, or Hijack) every method returns
// [ErrClosed] and touches nothing: the connection may belong to the next request.
type Exchange struct {
	// Head is the request's head. It may be kept.
	Head *cgi.Head
	// Listener is the index of the listener that accepted the connection.
	Listener int
	// Started is when the request was handed out, on the clock of handoff.Now.
	Started int64

	conn *conn
	id   uint16

	cause atomic.Pointer[error] // why nobody wants the answer any more

	// The others are guarded by the connection's lock.

	body    store
	dst     []byte // memory of a reader, filled directly
	got     int    // bytes put there
	arrived int64  // bytes of body so far
	bodyErr error  // why the body ends before its end
	inDone  bool   // the body is complete
	asked   bool   // 100 Continue was sent, or is not wanted

	handed   bool // the application has it
	answered bool // the end of the answer was given
	apart    bool // intercepted
	slow     bool // a line about its taking long was written
	released bool // the codec has forgotten it: the connection goes on without it
	ended    bool
	status   int // of the answer, under Config.Hold

	refuse  *refusal
	answer  *cgi.AnswerHead // as given, for the access log
	sent    int64           // bytes of the answer's body
	reader  chan struct{}   // made when somebody parks
	writer  chan struct{}
	onAbort func(error)

	limit         time.Duration // timeout of this request, 0 = none
	waited        int64         // nanoseconds spent waiting for the front
	waiting       int           // of reader and writer, how many wait
	waitsFrom     int64
	readDeadline  time.Time
	writeDeadline time.Time
	row           handoff.Row
	requestID     string
	before        time.Duration // spent in front of us, as the front says
	id32          [32]byte      // memory of an id of our own
	rewriter      Rewriter      // used by whoever answers, without the lock
}

// Rules are the program's own rules of the listener.
func (x *Exchange) Rules() any { return x.conn.lis.Rules }

// peer is the client's address as the head tells it, else that of the connection's
// peer; invalid for a Unix socket.
func (x *Exchange) peer() netip.AddrPort {
	if x.Head.Peer.IsValid() {
		return x.Head.Peer
	}
	return x.conn.remote
}

// Err is nil as long as somebody wants the answer; then the cause: cgi.ErrAborted,
// cgi.ErrHangup, cgi.ErrTimeout or cgi.ErrDraining. After the last two the peer is
// still there and can be answered. It costs one atomic load.
func (x *Exchange) Err() error {
	if p := x.cause.Load(); p != nil {
		return *p
	}
	return nil
}

// OnAbort has f called once with the cause when the request is given up, at once
// if it already is. f runs without locks on a goroutine or thread of the loop and
// must not block. One function at most.
func (x *Exchange) OnAbort(f func(cause error)) {
	c := x.conn
	c.mu.Lock()
	cause := x.Err()
	if cause == nil {
		x.onAbort = f
	}
	c.unlock()
	if cause != nil {
		f(cause)
	}
}

// abort says that nobody wants the answer any more.
func (x *Exchange) abort(cause error) {
	if x.ended || x.cause.Load() != nil {
		return
	}
	x.cause.Store(&cause)
	x.wakeReader()
	x.wakeWriter()
	if x.handed {
		x.conn.turn.aborted = append(x.conn.turn.aborted, x)
		x.conn.turn.any = true
	}
}

// SetTimeout replaces the setting timeout for this request; 0 is none. Its clock
// counts from the start of the request and stands while Read or WaitOut wait for
// the front.
func (x *Exchange) SetTimeout(d time.Duration) {
	c := x.conn
	c.mu.Lock()
	if !x.ended {
		x.limit = d
		x.row.SetLimit(d)
	}
	c.unlock()
	if d > 0 {
		c.loop.hurry(d)
	}
}

// used is the time that counts against the timeout.
func (x *Exchange) used(now int64) time.Duration {
	d := now - x.Started - x.waited
	if x.waiting > 0 {
		d -= now - x.waitsFrom
	}
	return time.Duration(d)
}

// pause stops the timeout's clock, resume lets it go on.
func (x *Exchange) pause() {
	if x.waiting++; x.waiting == 1 {
		x.waitsFrom = handoff.Now()
		x.row.Pause(x.waitsFrom)
	}
}

func (x *Exchange) resume() {
	if x.waiting--; x.waiting == 0 {
		now := handoff.Now()
		x.waited += now - x.waitsFrom
		x.row.Resume(now)
	}
}

// Break ends the exchange without the rest of its answer. A front that got no head
// yet gets nothing but the end of the connection, so answer a 500 before that.
func (x *Exchange) Break() {
	c := x.conn
	c.mu.Lock()
	if !x.ended {
		x.breakOff()
	}
	c.unlock()
}

func (x *Exchange) breakOff() {
	c := x.conn
	if x.answer == nil && !x.released && c.active > 1 && c.proto == cgi.FastCGI {
		x.refuse = broken // HAProxy waits for ever where an end comes without a head
		c.decline(x)
		return
	}
	x.answered = true
	if !x.released {
		out, closing := c.codec.AppendAbort(nil, x.id)
		if len(out) > 0 {
			c.write(out)
		}
		c.closing = c.closing || closing
	}
	c.finish(x, 0)
}

// Hijack takes the connection away from the loop: its descriptor, non-blocking,
// not in epoll, and the bytes that were already read from it. Give the head of a
// 101 answer (Answer with last false) before it. It fails while other requests
// share the connection, and on FastCGI.
func (x *Exchange) Hijack() (fd int, buffered []byte, err error) {
	if err := x.WaitOut(0); err != nil {
		return -1, nil, err
	}
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	switch {
	case x.ended || x.released || c.closed:
		return -1, nil, ErrClosed
	case c.proto == cgi.FastCGI || c.active > 1 || c.eof && !c.unix:
		return -1, nil, errNoHijack
	}
	buffered = append(buffered, c.held[c.in:]...)
	x.answered = true
	x.released = true
	c.remove(x)
	fd = c.detach()
	status := 101
	if x.answer != nil {
		status = x.answer.Status
	}
	c.finish(x, status)
	return fd, buffered, nil
}

// Elapsed is how much of the request's timeout is used up.
func (x *Exchange) Elapsed() time.Duration {
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	return x.used(handoff.Now())
}
