// What a loop is told before it starts: settings, listeners, and whom to call.

//go:build linux

package eventloop

import (
	"log"
	"net/netip"

	"github.com/appd-server/appd/internal/accesslog"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/http1"
)

// Config is what a [Loop] needs to know. Its zero value serves nothing.
type Config struct {
	// Settings are limits and timeouts. A zero timeout means none.
	Settings handoff.Settings

	// Serve is called in a goroutine of its own for every request, when its head is
	// complete. When it returns, an exchange without a complete answer is broken off.
	// Nil means that foreign threads drive the loop by Turn.
	Serve func(*Exchange)

	// WholeBody hands out a request when its body is complete: up to 1 MiB of it in
	// memory, a larger one in an unlinked file in Settings.TmpDir. Only with Turn.
	WholeBody bool

	// Memory, if not nil, is where WholeBody keeps what is not in a file: memory that
	// the garbage collector need not look after, and that the program goes on using.
	Memory Memory

	// Board and Access take what the supervisor and the access log are told of
	// requests. Nil: a board in private memory, no access log.
	Board  *handoff.Board
	Access *accesslog.Log

	// Intercept, if not nil, sees every exchange when it would be handed out. If it
	// returns true the exchange is its own: it answers later, from any goroutine, and
	// neither timeout nor drain waits for it.
	Intercept func(*Exchange) bool

	// Rewrite, if not nil, is called with the head of every answer, which it may
	// change, and returns what every piece of the body goes through, or nil.
	Rewrite func(*Exchange, *cgi.AnswerHead) Rewriter

	// MaxProcs is the worker's share of the CPUs and lets the loop of a Go worker
	// change GOMAXPROCS, between 1 and one more than that: when requests keep a whole
	// share busy there is still one for the quick ones. 0 leaves it alone.
	MaxProcs int

	// Siblings is how many other processes accept from the same listeners, to begin
	// with; see [Loop.SetSiblings].
	Siblings int

	// Multiplex lets FastCGI fronts interleave requests on one connection
	// (FCGI_MPXS_CONNS=1).
	Multiplex bool

	// PassIdle takes an idle kept connection that has to leave this worker: its
	// descriptor (owned by the callee from then on), its listener's index and what
	// is spoken on it. It reports whether somebody adopts it. Nil: nobody does.
	PassIdle func(fd, listener int, p cgi.Protocol) bool

	// Fence, if not nil, returns a channel that tells when every connection that
	// PassIdle took before has an owner, which may be this loop again. A drain asks once
	// where one with a request on it may still be under way, and waits for the answer.
	Fence func() <-chan struct{}

	// Hold keeps a request in flight after the end of its answer, until
	// [Exchange.Done]: in the scoreboard, under its timeout, and for drains. For
	// applications that go on after their last byte.
	Hold bool

	// Marks, if not nil, is memory of the program, a byte for each descriptor, in
	// which the loop keeps 1 for those of its connections: a forked child, in which
	// Go does not run, closes them by that.
	Marks []uint8

	// Slow is told, in several lines, of every request that takes longer than
	// Settings.SlowRequest: once while it runs, with its stack where Serve runs it,
	// and once when it has ended. It may block. Nil: Log is told.
	Slow func(text string)

	// Log takes what went wrong on a connection, one line each; nil discards it.
	Log *log.Logger
}

// Memory is realloc: it returns p (nil: none yet) with room for n bytes, or nil if
// there is no such memory; n = 0 frees p.
type Memory func(p []byte, n int) []byte

// Listener is a listening socket and the rules for what it accepts.
type Listener struct {
	FD       int    // non-blocking; the loop duplicates it
	Address  string // as a person wrote it, for the log
	Protocol cgi.Protocol
	Front    cgi.Front

	ProxyProtocol bool         // an HTTP connection starts with a PROXY preamble
	Trust         *http1.Trust // whose X-Forwarded-* is believed; nil: nobody's
	Stderr        bool         // Exchange.Stderr reaches FastCGI fronts
	ChunkedInput  bool         // uwsgi bodies without a length may be chunked

	// AllowUIDs and AllowNets say who may connect: user ids over Unix sockets,
	// networks over TCP. Empty: everybody.
	AllowUIDs []uint32
	AllowNets []netip.Prefix

	// Rules belongs to the program: what it needs to build a request from a
	// connection of this listener.
	Rules any
}

// Rewriter changes the body of an answer on its way. The result of Rewrite is valid
// until the next call.
type Rewriter interface {
	Rewrite(body []byte, last bool) []byte
}
