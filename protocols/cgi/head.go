// The head of a request, as every codec hands it out.

package cgi

import (
	"cmp"
	"net/netip"
)

// Protocol names what is spoken on a connection.
type Protocol uint8

// The protocols, in the order of their detection.
const (
	Auto    Protocol = iota // told apart by the first bytes
	FastCGI                 // FastCGI 1.0, responder role
	UWSGI                   // the uwsgi binary protocol
	HTTP                    // HTTP/1.0 and HTTP/1.1
)

// String is the protocol's name in appd.hcl, the log and the metrics.
func (p Protocol) String() string {
	switch p {
	case FastCGI:
		return "fastcgi"
	case UWSGI:
		return "uwsgi"
	case HTTP:
		return "http"
	}
	return "auto"
}

// Var is one CGI-style variable: a FastCGI param, a uwsgi var, or a field of an
// HTTP head under the name that was on the wire.
type Var struct {
	Name, Value string
}

// Special values of [Head.ContentLength].
const (
	// UnknownLength is a body whose end only the stream tells: a chunked upload.
	UnknownLength int64 = -1
)

// Head is the head of one request. A codec fills it once and never touches it
// again; all its strings share one backing array that the garbage collector owns,
// so they may be kept.
type Head struct {
	Protocol Protocol

	// Vars are the params, vars or fields in the order of the wire, duplicates
	// kept: joining them is for whoever builds a request from them.
	Vars Vars

	// Method, Target and Proto are the request line of HTTP. The other protocols
	// carry them in Vars, as REQUEST_METHOD, REQUEST_URI and SERVER_PROTOCOL.
	Method, Target, Proto string

	// ContentLength is the length of the body: 0 when there is none,
	// UnknownLength when only its end will tell.
	ContentLength int64

	// KeepAlive says that the peer wants the connection kept after the answer.
	KeepAlive bool

	// Expect says that an HTTP client waits for "100 Continue" before its body.
	Expect bool

	// Upgrade says that the peer offered to leave the protocol on this connection
	// (HTTP Upgrade, or uwsgi with HTTP_UPGRADE) and that a 101 may be answered.
	Upgrade bool

	// Modifier1 is the uwsgi modifier, 0 or 30.
	Modifier1 uint8

	// Host is the authority that an HTTP request is for: of an absolute target, else
	// of the Host field. Empty when an HTTP/1.0 client named none.
	Host string

	// HTTPS says that somebody who may be believed told an HTTP listener that the
	// client came over TLS. Use [Head.Secure] for a request of any protocol.
	HTTPS bool

	// Peer is the client of an HTTP request: as told by forwarded fields that may
	// be believed, else by a PROXY preamble, else the connection's own peer.
	// Invalid for a Unix socket where nobody told. Local is the address that the
	// client connected to, as far as it is known. Both stay unset for the other
	// protocols, whose params tell it.
	Peer, Local netip.AddrPort
}

// WantsNoBody reports whether the method is HEAD: the answer is a head and nothing else.
func (h *Head) WantsNoBody() bool {
	return cmp.Or(h.Method, h.Vars.Get("REQUEST_METHOD")) == "HEAD"
}

// NewHead returns a Head with room for n variables, in one allocation for up to
// 64 of them.
func NewHead(p Protocol, n int) *Head {
	switch {
	case n <= 8:
		h := new(struct {
			Head
			vars [8]Var
		})
		h.Vars = h.vars[:0]
		h.Protocol = p
		return &h.Head
	case n <= 16:
		h := new(struct {
			Head
			vars [16]Var
		})
		h.Vars = h.vars[:0]
		h.Protocol = p
		return &h.Head
	case n <= 32:
		h := new(struct {
			Head
			vars [32]Var
		})
		h.Vars = h.vars[:0]
		h.Protocol = p
		return &h.Head
	case n <= 64:
		h := new(struct {
			Head
			vars [64]Var
		})
		h.Vars = h.vars[:0]
		h.Protocol = p
		return &h.Head
	}
	return &Head{Protocol: p, Vars: make(Vars, 0, n)}
}
