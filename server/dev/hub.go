// The hub: the open event streams of one worker, and what they have to know.

package dev

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// Paths that the hub answers by itself, below the prefix under which the front
// mounts the application.
const (
	streamPath = "/__appd/reload"
	scriptPath = "/__appd/reload.js"
)

// aliveEvery is how often an idle stream gets a comment: sooner than a front's
// usual minute of patience.
const aliveEvery = 20 * time.Second

//go:embed reload.js
var script []byte

// Exchange is what the hub needs of a request: to answer it piece by piece, from
// any goroutine, and to hear that the browser has gone.
type Exchange interface {
	Answer(h *cgi.AnswerHead, body []byte, last bool) (pending int, err error)
	OnAbort(func(cause error))
}

// Event is one thing that open pages are told. Its JSON form is the text of a
// reload message of the supervisor.
type Event struct {
	// Name is failure, fixed, css or reload.
	Name string `json:"event"`
	// Title and Text say what failed, with file:line.
	Title string `json:"title,omitempty"`
	Text  string `json:"text,omitempty"`
	// Paths are the style sheets that changed.
	Paths []string `json:"paths,omitempty"`
}

// hello opens every stream.
type hello struct {
	// Version names the code that serves: a page that carries another one is old.
	Version int64 `json:"version"`
	// Edits counts the files that changed under the code. A page that hears another
	// number than before has missed some.
	Edits   int    `json:"edits"`
	Failure *Event `json:"failure,omitempty"`
}

// Hub answers the paths of development and rewrites pages. Its methods may be
// called at the same time.
type Hub struct {
	version int64
	mount   cgi.Mount
	stop    chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	streams map[*stream]bool
	state   hello // what a page has to know that opens now
	closed  bool
}

// stream is one open page.
type stream struct {
	mu sync.Mutex // answers take turns
	x  Exchange
}

// NewHub returns the hub of a worker. version names this load of the code, and no
// other has the same; mount is the setting of that name.
func NewHub(version int64, mount string) *Hub {
	h := &Hub{
		mount: cgi.Mount{Prefix: mount}, state: hello{Version: version}, version: version,
		stop: make(chan struct{}), done: make(chan struct{}), streams: map[*stream]bool{},
	}
	go h.keepAlive()
	return h
}

// Intercept answers the request if it is one of development's own, and says so.
// It also makes sure that pages arrive in a form that can be rewritten.
func (h *Hub) Intercept(head *cgi.Head, x Exchange) bool {
	switch path := requestPath(head); {
	case strings.HasSuffix(path, scriptPath):
		x.Answer(&cgi.AnswerHead{
			Status: 200, ContentLength: int64(len(script)),
			Fields: []cgi.Var{{Name: "Content-Type", Value: "text/javascript; charset=utf-8"}, {Name: "Cache-Control", Value: "no-cache"}},
		}, script, true)
		return true
	case strings.HasSuffix(path, streamPath):
		h.begin(x)
		return true
	}
	head.Vars = withoutEncoding(head.Vars)
	return false
}

// requestPath is the path as the client sent it.
func requestPath(head *cgi.Head) string {
	var f cgi.Facts
	head.Facts(&f)
	if path, _, _ := strings.Cut(f.URI, "?"); path != "" {
		return path
	}
	return f.Script + f.Info
}

// withoutEncoding takes Accept-Encoding out, so that the application does not
// compress what has to be read.
func withoutEncoding(vars []cgi.Var) []cgi.Var {
	for i := range vars {
		if n := vars[i].Name; n == "HTTP_ACCEPT_ENCODING" || strings.EqualFold(n, "Accept-Encoding") {
			return append(vars[:i:i], withoutEncoding(vars[i+1:])...)
		}
	}
	return vars
}

// begin begins a stream.
func (h *Hub) begin(x Exchange) {
	s := &stream{x: x}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		x.Answer(&cgi.AnswerHead{Status: 503, ContentLength: 0, Close: true}, nil, true)
		return
	}
	h.streams[s] = true
	first := message("hello", h.state)
	s.mu.Lock() // before anybody else may write to it
	h.mu.Unlock()
	x.Answer(streamHead(), first, false)
	s.mu.Unlock()
	x.OnAbort(func(error) { h.end(s) }) // at once, if the page has gone already
}

// streamHead is the head of an event stream that no front holds back.
func streamHead() *cgi.AnswerHead {
	return &cgi.AnswerHead{Status: 200, ContentLength: cgi.UnknownLength, Fields: []cgi.Var{
		{Name: "Content-Type", Value: "text/event-stream"},
		{Name: "Cache-Control", Value: "no-store"},
		{Name: "X-Accel-Buffering", Value: "no"},
	}}
}

// message encodes one event of the stream.
func message(name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // of structs of strings and numbers
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text)
}

// end ends a stream, if nobody did before.
func (h *Hub) end(s *stream) {
	h.mu.Lock()
	open := h.streams[s]
	delete(h.streams, s)
	h.mu.Unlock()
	if open {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.x.Answer(nil, nil, true)
	}
}

// Tell takes the text of a reload message and passes it to every open page. A
// failure is remembered until it is fixed, for pages that open meanwhile.
func (h *Hub) Tell(text string) error {
	var e Event
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return fmt.Errorf("dev: not an event: %w", err)
	}
	h.mu.Lock()
	switch e.Name {
	case "failure":
		h.state.Failure = &e
	case "fixed":
		h.state.Failure = nil
	default:
		h.state.Edits++
	}
	h.mu.Unlock()
	h.send(message(e.Name, e))
	return nil
}

// send writes to every stream.
func (h *Hub) send(text []byte) {
	for _, s := range h.open() {
		s.mu.Lock()
		s.x.Answer(nil, text, false) // a page that has gone ends its stream by itself
		s.mu.Unlock()
	}
}

// open lists the streams.
func (h *Hub) open() []*stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.streams))
}

// keepAlive runs until Close.
func (h *Hub) keepAlive() {
	defer close(h.done)
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
			h.send([]byte(": alive\n\n"))
		}
	}
}

// Close ends all streams, so that browsers turn to the next generation. The
// worker calls it when it begins to drain.
func (h *Hub) Close() {
	h.mu.Lock()
	first := !h.closed
	h.closed = true
	h.mu.Unlock()
	if first {
		close(h.stop)
		<-h.done
		for _, s := range h.open() {
			h.end(s)
		}
	}
}
