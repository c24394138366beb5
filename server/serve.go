// Serving on Linux: an event loop, and a goroutine for every request.

//go:build linux

package server

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// instance is one event loop with the handler that it feeds.
type instance struct {
	loop     *eventloop.Loop
	handler  http.Handler
	hooks    *Hooks
	log      *log.Logger
	settings handoff.Settings
	listener net.Listener // that was given to Serve
	shown    *http.Server // what http.ServerContextKey leads to; it serves nothing

	busy  atomic.Int64  // handlers that run and hijacked connections that are open
	still chan struct{} // told when busy falls to zero
	done  chan struct{} // closed by close
	once  sync.Once
}

func newInstance(s *Server, v handoff.Settings, config eventloop.Config) (*instance, error) {
	n := &instance{
		handler: s.handler(), hooks: &s.Hooks, log: s.logger(), settings: v,
		still: make(chan struct{}, 1), done: make(chan struct{}),
	}
	n.shown = &http.Server{Handler: n.handler, ErrorLog: n.log}
	config.Settings = v
	config.Serve = n.serve
	config.Multiplex = true
	config.Log = n.log
	var err error
	n.loop, err = eventloop.New(config)
	return n, err
}

// start prepares to serve l.
func (s *Server) start(l net.Listener) (backend, func() error, error) {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return nil, nil, fmt.Errorf("server: %T gives no access to its socket (syscall.Conn); serve the listener that it wraps", l)
	}
	p, ok := eventloop.Protocols[s.Protocol]
	if !ok {
		return nil, nil, fmt.Errorf("server: unknown protocol %q: it is auto, fastcgi, uwsgi or http", s.Protocol)
	}
	fd, err := handoff.Duplicate(sc)
	if err != nil {
		return nil, nil, err
	}
	defer syscall.Close(fd)
	v := s.settings()
	config := eventloop.Config{}
	if self.wide {
		config.MaxProcs = self.procs
	}
	n, err := newInstance(s, v, config)
	if err != nil {
		return nil, nil, err
	}
	address := l.Addr().String()
	_, err = n.loop.Listen(eventloop.Listener{
		FD: fd, Address: address, Protocol: p,
		Rules: &rules{mount: cgi.Mount{Prefix: v.Mount}, base: newRequestBase(fd, address)},
	})
	if err == nil {
		err = n.loop.Start(nil)
	}
	if err != nil {
		n.loop.Close()
		return nil, nil, err
	}
	n.listener = l
	return n, func() error { <-n.done; return http.ErrServerClosed }, nil
}

// drain waits for requests, and for hijacked connections.
func (n *instance) drain(ctx context.Context) error {
	return n.leave(ctx, eventloop.DrainOptions{Queue: true, Left: func() { n.listener.Close() }})
}

func (n *instance) leave(ctx context.Context, o eventloop.DrainOptions) error {
	if err := n.loop.Drain(ctx, o); err != nil {
		return err
	}
	for n.busy.Load() > 0 {
		select {
		case <-n.still:
		case <-n.done: // another drain was told
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return n.close()
}

func (n *instance) close() error {
	n.once.Do(func() {
		n.loop.Close()
		close(n.done)
	})
	return nil
}

// hook calls a function of the application that must not take the worker down.
func (n *instance) hook(name string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			n.log.Printf("hook %s: panic: %v", name, v)
		}
	}()
	f()
}

// quiet counts a handler or a hijacked connection that has ended.
func (n *instance) quiet() {
	if n.busy.Add(-1) == 0 {
		select {
		case n.still <- struct{}{}:
		default:
		}
	}
}
