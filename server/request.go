// One request: from the exchange to the handler and back.

//go:build linux

package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync/atomic"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols"
	"github.com/appd-server/appd/protocols/cgi"
)

// task is everything that one request needs, in one allocation.
type task struct {
	scope requestContext
	w     response
	body  body
	id    [1]string
}

// serve is what the event loop calls, in a goroutine of its own for every request.
func (n *instance) serve(x *eventloop.Exchange) {
	n.busy.Add(1)
	defer n.quiet()
	t := new(task)
	rules := x.Rules().(*rules)
	t.scope.base, t.scope.server, t.scope.x = &rules.base, n.shown, x
	t.w.x, t.w.server, t.w.length = x, n, cgi.UnknownLength
	r, err := protocols.NewRequest(&t.scope, x.Head, rules.mount)
	if err != nil {
		n.refuse(t, err)
		return
	}
	if x.Head.ContentLength != 0 {
		t.body.x, t.body.w = x, &t.w
		r.Body = &t.body
	}
	if _, ok := r.Header["X-Request-Id"]; !ok {
		t.id[0] = x.RequestID()
		r.Header["X-Request-Id"] = t.id[:]
	}
	t.w.req = r
	defer t.scope.end()
	n.run(t, r)
}

// run calls the handler and sees its answer to the end, whatever happens.
func (n *instance) run(t *task, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			n.panicked(t, r, v)
		}
		if n.hooks.PostRequest != nil {
			n.hook("post_request", func() { n.hooks.PostRequest(r, t.w.final()) })
		}
	}()
	if n.hooks.PreRequest != nil {
		n.hooks.PreRequest(r)
	}
	n.handler.ServeHTTP(&t.w, r)
	t.w.finish()
}

// panicPrefix begins the line of a panic.
const panicPrefix = "panic serving "

// panicked answers 500, or breaks off an answer that has begun.
func (n *instance) panicked(t *task, r *http.Request, v any) {
	if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		n.loop.Board().Add(handoff.Panicked, 1)
		what := fmt.Sprintf(panicPrefix+"%s %q (request %s)", r.Method, r.URL.Path, t.w.x.RequestID())
		n.log.Printf("%s: %v\n%s", what, v, debug.Stack())
		t.w.x.Stderr(what) // what it panicked with may be a secret
		if !t.w.sent && !t.w.hijacked {
			t.w.replace(http.StatusInternalServerError)
			return
		}
	}
	t.w.x.Break()
}

// refuse answers a request that no handler can be shown.
func (n *instance) refuse(t *task, err error) {
	status := http.StatusBadRequest
	if e, ok := errors.AsType[*cgi.Error](err); ok {
		n.log.Printf("%v", e)
		if e.Status != 0 {
			status = e.Status
		}
	}
	t.w.replace(status)
}

// body is the body of a request. Whoever forwards it (http.Transport does) reads in one
// goroutine and closes in another.
type body struct {
	x    *eventloop.Exchange
	w    *response
	done atomic.Bool
}

// Read reads the body as it arrives.
func (b *body) Read(p []byte) (int, error) {
	if b.done.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.x.Read(p)
	switch {
	case err == nil || err == io.EOF:
	case errors.Is(err, eventloop.ErrTooLarge):
		b.w.tooLarge = true
		err = &http.MaxBytesError{Limit: b.w.server.settings.LimitBody}
	case errors.Is(err, eventloop.ErrClosed):
		err = http.ErrBodyReadAfterClose
	}
	return n, err
}

// Close ends reading. What still comes of the body is thrown away by the loop.
func (b *body) Close() error {
	b.done.Store(true)
	return nil
}
