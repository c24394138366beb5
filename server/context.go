// The context of a request: made without an allocation, real when asked for.

//go:build linux

package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/eventloop"
)

// requestBase holds the values that all requests of a listener share.
type requestBase struct {
	local net.Addr
}

func newRequestBase(fd int, address string) requestBase {
	if sa, err := unix.Getsockname(fd); err == nil {
		switch sa := sa.(type) {
		case *unix.SockaddrInet4:
			return requestBase{&net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}}
		case *unix.SockaddrInet6:
			return requestBase{&net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}}
		case *unix.SockaddrUnix:
			address = sa.Name
		}
	}
	return requestBase{&net.UnixAddr{Name: address, Net: "unix"}}
}

// requestContext is cancelled with a cause when the front gives the request up,
// and when the handler has returned. Most handlers never look at it, so the real
// context inside is made for the first who does.
type requestContext struct {
	base   *requestBase
	server *http.Server
	x      *eventloop.Exchange

	mu     sync.Mutex
	real   context.Context
	cancel context.CancelCauseFunc
	ended  bool
}

func (c *requestContext) inner() context.Context {
	c.mu.Lock()
	if c.real != nil {
		c.mu.Unlock()
		return c.real
	}
	c.real, c.cancel = context.WithCancelCause(context.Background())
	ended := c.ended
	c.mu.Unlock()
	if ended {
		c.cancel(context.Canceled)
	} else {
		c.x.OnAbort(c.cancel)
	}
	return c.real
}

// end cancels the context when the handler has returned.
func (c *requestContext) end() {
	c.mu.Lock()
	c.ended = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(context.Canceled)
	}
}

// Deadline implements context.Context: the timeout's clock stands at times, so
// there is none to tell.
func (c *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} { return c.inner().Done() }

// Err implements context.Context.
func (c *requestContext) Err() error { return c.inner().Err() }

// Value implements context.Context. A key that is a pointer to an int is package
// context looking for the place to hang children on, or for the cause.
func (c *requestContext) Value(key any) any {
	switch key {
	case http.LocalAddrContextKey:
		return c.base.local
	case http.ServerContextKey: // httputil.ReverseProxy breaks a failed copy off only under a server
		return c.server
	}
	if _, ok := key.(*int); ok {
		return c.inner().Value(key)
	}
	return nil
}
