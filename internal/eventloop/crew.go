// The crew: goroutines that serve requests, kept for the next because a new one
// would have to grow its stack again.

//go:build linux

package eventloop

import (
	"sync"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// crew hands exchanges to goroutines, the one that was idle last first.
type crew struct {
	loop *Loop

	mu     sync.Mutex
	idle   []chan *Exchange // one for each idle goroutine
	least  int              // how many were idle all the time since the last trim
	closed bool
}

// start has a goroutine serve x.
func (w *crew) start(x *Exchange) {
	w.mu.Lock()
	last := len(w.idle) - 1
	if last < 0 {
		w.mu.Unlock()
		go w.work(x)
		return
	}
	next := w.idle[last]
	w.idle = w.idle[:last]
	w.least = min(w.least, last)
	w.mu.Unlock()
	next <- x
}

// work serves x and what comes after it.
func (w *crew) work(x *Exchange) {
	var next chan *Exchange
	for x != nil {
		w.loop.serve(x)
		if next == nil {
			next = make(chan *Exchange, 1)
		}
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return
		}
		w.idle = append(w.idle, next)
		w.mu.Unlock()
		x = <-next
	}
}

// trim lets half of those go that had nothing to do since the last time.
func (w *crew) trim() {
	w.mu.Lock()
	n := (w.least + 1) / 2
	gone := w.idle[:n]
	for _, next := range gone {
		next <- nil
	}
	w.idle = append(w.idle[:0], w.idle[n:]...)
	w.least = len(w.idle)
	w.mu.Unlock()
}

// close lets all go.
func (w *crew) close() {
	w.mu.Lock()
	w.closed = true
	for _, next := range w.idle {
		next <- nil
	}
	w.idle = nil
	w.mu.Unlock()
}

// serve runs the program's function for one exchange. Its frame, with the exchange
// as an argument, is how a slow request's stack is found.
//
//go:noinline
func (l *Loop) serve(x *Exchange) {
	waited := handoff.Now() - x.Started
	l.board.Waited(x.before + time.Duration(waited))
	l.width.ran(x.Started, waited)
	defer x.Break() // also when the function ends its goroutine
	l.config.Serve(x)
}
