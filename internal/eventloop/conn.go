// One connection: what is known of it, how events reach it, how it registers.

//go:build linux

package eventloop

import (
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/protocols/cgi"
)

// conn is one connection. Its lock is taken before the loop's, never after.
type conn struct {
	// immutable
	loop   *Loop
	lis    *listener
	fd     int
	gen    int32
	unix   bool
	epoch  int32 // of the listener's gate
	remote netip.AddrPort
	local  netip.AddrPort

	mu sync.Mutex // guards everything below

	codec   cgi.Codec // nil until the protocol is known
	proto   cgi.Protocol
	checked bool     // its first bytes are of that protocol
	refuse  *refusal // answer every request of this connection so

	// input
	buf      *buffer // pooled memory behind held, nil when nothing is held
	held     []byte  // held[in:] was read and not taken by the codec
	in       int
	readable bool // the socket may have bytes
	ended    bool // EPOLLRDHUP: bytes, if any, then end-of-file
	eof      bool // end-of-file was read
	full     bool // the codec stopped because nobody takes the body
	feeding  bool // the codec is being fed: nothing may be closed
	faulty   bool // the codec gave up: nothing more is fed
	shared   bool // a FastCGI front may put other requests beside the one at hand

	// output
	out     []byte // out[sent:] waits for the socket
	sent    int
	replies int // bytes of the codec's own among those that wait

	// requests
	first  *Exchange // the usual case: one at a time
	others map[uint16]*Exchange
	active int
	// found by the Feed that is under way
	fresh   []*Exchange // new
	whole   []*Exchange // not handed out, and the body is complete
	aborted []*Exchange
	room    [2]*Exchange // for the first of fresh and of whole

	// life
	registered bool
	outArmed   bool
	gone       bool  // nothing can be sent any more
	complete   bool  // the request that ended last was read to its end
	kept       bool  // a request was answered on it, here or in another worker
	closing    bool  // closes when the output was taken
	lingering  bool  // half-closed, input is thrown away
	closed     bool  // the descriptor is closed
	thrown     int64 // bytes of bodies that nobody wanted
	inAt       int64 // clock of the last progress of the input,
	outAt      int64 // of the output,
	idleAt     int64 // since when it is idle, or lingering

	turn turn // what is to be done after the lock is released
}

const (
	readEvents  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	writeEvents = readEvents | unix.EPOLLOUT
)

// event tells the connection what epoll saw.
func (c *conn) event(ev uint32) {
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return
	}
	// Both sides half-closed are a hang-up, too, but what lingers is read to its end:
	// closed with bytes unread, it would be a reset for the peer.
	if ev&unix.EPOLLERR != 0 || ev&unix.EPOLLHUP != 0 && !c.lingering {
		c.lose(cgi.ErrHangup)
		return
	}
	if ev&unix.EPOLLOUT != 0 && c.pending() > 0 {
		c.flush()
	}
	if ev&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		c.readable = true
		c.ended = c.ended || ev&unix.EPOLLRDHUP != 0
		c.pull()
		c.halfClosed()
	}
}

// halfClosed applies the rule for a TCP peer that ended its side while its
// request, already complete, is being served: FastCGI and HTTP fronts do that only
// when nobody wants the answer any more. uwsgi clients may half-close, and over a
// Unix socket the end of the input says nothing about the output.
func (c *conn) halfClosed() {
	if !c.ended || c.unix || c.proto == cgi.UWSGI || c.active == 0 || c.gone {
		return
	}
	complete := true
	c.each(func(x *Exchange) { complete = complete && x.inDone })
	if complete {
		c.lose(cgi.ErrHangup)
	}
}

// lose says that nothing more can be sent: the peer is gone or was given up.
func (c *conn) lose(cause error) {
	if c.gone || c.closed {
		return
	}
	c.gone = true
	c.out, c.sent = nil, 0
	c.forgoAll(cause)
	c.settle()
}

// settle closes the connection if nothing holds it any more.
func (c *conn) settle() {
	switch {
	case c.closed || c.feeding || c.active > 0:
	case c.gone:
		c.close()
	case c.lingering:
		if c.eof {
			c.close()
		}
	case c.eof || c.faulty || c.closing:
		c.shut()
	}
}

// each calls f for every exchange of the codec; f may remove it.
func (c *conn) each(f func(*Exchange)) {
	if c.first != nil {
		f(c.first)
	}
	for _, x := range c.others {
		f(x)
	}
}

func (c *conn) find(id uint16) *Exchange {
	if x := c.first; x != nil && x.id == id {
		return x
	}
	return c.others[id]
}

func (c *conn) add(x *Exchange) {
	c.active++
	if c.first == nil {
		c.first = x
		return
	}
	if c.others == nil {
		c.others = make(map[uint16]*Exchange)
	}
	c.others[x.id] = x
}

func (c *conn) remove(x *Exchange) {
	c.active--
	if c.first == x {
		c.first = nil
		return
	}
	delete(c.others, x.id)
}

// idle says that the connection is kept and nobody would notice its end.
func (c *conn) idle() bool {
	return c.active == 0 && c.in == len(c.held) && c.pending() == 0 && !c.lingering && !c.closing && !c.eof &&
		(c.codec == nil || c.codec.Idle())
}

// register puts the connection into epoll; from then on events reach it. What the
// socket has already is reported as the first event.
func (c *conn) register() {
	if c.registered || c.closed {
		return
	}
	c.registered = true
	c.outArmed = c.pending() > 0
	c.control(unix.EPOLL_CTL_ADD)
}

// arm has epoll report when the socket takes bytes again; only while some wait,
// because every byte that a peer reads would be an event.
func (c *conn) arm(out bool) {
	switch {
	case c.closed || out == c.outArmed && c.registered:
	case !c.registered:
		if out {
			c.register()
		}
	default:
		c.outArmed = out
		c.control(unix.EPOLL_CTL_MOD)
	}
}

func (c *conn) control(op int) {
	ev := unix.EpollEvent{Events: readEvents, Fd: int32(c.fd), Pad: c.gen}
	if c.outArmed {
		ev.Events = writeEvents
	}
	if e := epollCtl(c.loop.ep, op, c.fd, &ev); e != 0 {
		c.note("epoll: " + e.Error())
		c.lose(cgi.ErrHangup) // nothing would ever be heard of it again
	}
}

// again has epoll report once more what it reported already.
func (c *conn) again() {
	if c.registered && !c.closed {
		c.control(unix.EPOLL_CTL_MOD)
	}
}

// shut ends the connection: at once if its input was consumed, else by half-closing
// it and throwing away what still comes, because closing a socket with unread
// bytes takes the answer away from the peer.
func (c *conn) shut() {
	switch {
	case c.closed || c.lingering:
	case c.pending() > 0 && !c.gone:
		c.closing = true
		c.arm(true)
	case c.gone || c.eof || c.consumed():
		c.close()
	default:
		c.lingering = true
		c.idleAt = c.loop.now()
		c.inAt = c.idleAt
		c.thrown = 0
		c.in = len(c.held)
		syscall.Shutdown(c.fd, syscall.SHUT_WR)
		c.register()
		c.pull()
	}
}

// consumed says that the peer sent nothing behind the requests that were read.
func (c *conn) consumed() bool {
	return c.complete && !c.faulty && !c.readable && c.in == len(c.held)
}

// close takes the connection out of epoll and out of the table and closes it.
func (c *conn) close() {
	if c.closed {
		return
	}
	fd := c.detach()
	closeFD(fd)
}

// detach takes the connection from the loop and returns its descriptor.
func (c *conn) detach() int {
	c.closed = true
	c.gone = true
	c.out, c.sent = nil, 0
	c.in = len(c.held)
	c.release()
	c.forgoAll(cgi.ErrHangup)
	if c.registered {
		epollCtl(c.loop.ep, unix.EPOLL_CTL_DEL, c.fd, &unix.EpollEvent{})
	}
	c.dropCodec()
	c.loop.forget(c)
	return c.fd
}

// note keeps a line for the log.
func (c *conn) note(text string) {
	c.turn.notes = append(c.turn.notes, c.lis.Address+": "+text)
	c.turn.any = true
}
