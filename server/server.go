// The server: its settings and its life, the same on every system.

package server

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves a handler. A zero duration or number means the default; a negative
// one means no limit. What a person wrote in appd.hcl, in APPD_* variables or on
// the command line stands above what is set here. A Server must not be changed
// once it serves.
type Server struct {
	// Handler answers the requests; nil is http.DefaultServeMux.
	Handler http.Handler

	// ErrorLog takes panics and what is wrong with connections; nil is standard error.
	ErrorLog *log.Logger

	// Protocol is what Serve expects: "auto" (the default: told apart by the first
	// bytes), "fastcgi", "uwsgi" or "http".
	Protocol string

	// Mount is the path prefix under which the front mounts the application, "/shop";
	// "/" says that there is none. Empty (the default) leaves it to the front.
	Mount string

	Timeout         time.Duration // of one request, 30s; not counted while the front sends or takes bytes
	ReadTimeout     time.Duration // longest silence of the front while it sends, 60s
	WriteTimeout    time.Duration // longest silence of the front while it takes, 60s
	KeepAlive       time.Duration // of an idle kept connection, 75s
	GracefulTimeout time.Duration // for requests in flight when the worker leaves, 30s

	Connections           int   // open at a time, 1000; when all are in use new ones wait a second, then get 503
	LimitRequestLine      int   // bytes of an HTTP request line, 4094
	LimitRequestFields    int   // fields of an HTTP head, 100
	LimitRequestFieldSize int   // bytes of one of them, 8190
	LimitRequestParams    int   // bytes of FastCGI params, 1 MiB
	LimitRequestBody      int64 // bytes, no limit by default; beyond it 413

	// TmpDir is where bodies go that do not fit in memory; default the system's.
	TmpDir string

	// Hooks are called around the worker's life and its requests.
	Hooks Hooks

	mu     sync.Mutex
	active map[backend]bool
	closed bool
}

// Hooks are functions of the application that are called inside a worker. Each may
// be nil. A panic is logged; one in PreRequest answers the request with 500.
type Hooks struct {
	PostWorkerInit func(Worker)                      // before the worker says that it is ready
	PreRequest     func(*http.Request)               // before the handler
	PostRequest    func(r *http.Request, status int) // after it; status 0: no complete answer
	WorkerInt      func(Worker)                      // told to stop fast
	WorkerAbort    func(Worker)                      // about to be killed for a request that is stuck
	WorkerExit     func(w Worker, reason string)     // leaving
}

// Worker says who this process is.
type Worker struct {
	Name       string // the application's; empty when started by hand
	Slot       int    // 0 to N-1, kept by a replacement
	Generation int    // which load of the code
	PID        int
}

// backend is one running Serve.
type backend interface {
	drain(ctx context.Context) error
	close() error
}

// Run serves h: under appd on the sockets that it handed over, else as the package
// describes. It returns nil after a graceful end. An error says why it could not
// begin, or that requests were still in flight when the graceful timeout was over.
func Run(h http.Handler) error { return (&Server{Handler: h}).Run() }

// Serve accepts connections from l until Shutdown or Close, and returns
// http.ErrServerClosed then. It closes l. On Linux l must implement syscall.Conn,
// as the listeners of package net do: the connections of any other are out of the
// event loop's reach.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	wait, err := s.enter(l)
	if err != nil {
		return err
	}
	return wait()
}

// enter starts to serve l, unless Shutdown was called.
func (s *Server) enter(l net.Listener) (wait func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, http.ErrServerClosed
	}
	b, wait, err := s.start(l)
	if err != nil {
		return nil, err
	}
	if s.active == nil {
		s.active = make(map[backend]bool)
	}
	s.active[b] = true
	return wait, nil
}

// Shutdown stops accepting and waits until every request in flight has its answer,
// or until ctx ends, whose error it returns then; what is still in flight goes on
// until Close.
func (s *Server) Shutdown(ctx context.Context) error {
	drainStarts()
	var failed error
	for _, b := range s.stop() {
		if err := b.drain(ctx); err != nil {
			failed = err
			continue
		}
		s.forget(b)
	}
	return failed
}

// Close ends everything at once. Requests in flight are cancelled. The error is always
// nil.
func (s *Server) Close() error {
	for _, b := range s.stop() {
		b.close()
		s.forget(b)
	}
	return nil
}

func (s *Server) stop() []backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var all []backend
	for b := range s.active {
		all = append(all, b)
	}
	return all
}

func (s *Server) forget(b backend) {
	s.mu.Lock()
	delete(s.active, b)
	s.mu.Unlock()
}

func (s *Server) handler() http.Handler {
	if s.Handler == nil {
		return http.DefaultServeMux
	}
	return s.Handler
}

// draining is what OnDrain has registered.
var draining struct {
	sync.Mutex
	began bool
	next  int
	funcs map[int]func()
}

// OnDrain has f called, in a goroutine of its own, when this process begins to
// leave: event streams and WebSockets have the graceful timeout to say goodbye. It
// is called at once if that has begun. stop takes it back; it reports false when f
// has been called.
func OnDrain(f func()) (stop func() bool) {
	d := &draining
	d.Lock()
	defer d.Unlock()
	if d.began {
		go f()
		return func() bool { return false }
	}
	if d.funcs == nil {
		d.funcs = make(map[int]func())
	}
	d.next++
	id := d.next
	d.funcs[id] = f
	return func() bool {
		d.Lock()
		defer d.Unlock()
		_, waiting := d.funcs[id]
		delete(d.funcs, id)
		return waiting
	}
}

// drainStarts calls what OnDrain has registered.
func drainStarts() {
	d := &draining
	d.Lock()
	funcs := d.funcs
	d.funcs, d.began = nil, true
	d.Unlock()
	for _, f := range funcs {
		go f()
	}
}
