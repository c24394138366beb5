// The table of requests that C knows by number.

//go:build cgo

package main

import (
	"sync"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/protocols/cgi"
)

// request is one exchange inside the application.
type request struct {
	x             *eventloop.Exchange
	head          cgi.AnswerHead // of its answer
	input, output waiter         // gevent's
}

// table hands out numbers: the place in the table below, above it how often that
// place was used, so that a number is never used twice within a while.
type table struct {
	mu    sync.Mutex
	slots []slot
	free  []uint32
}

type slot struct {
	use uint32
	r   *request
}

// add returns the number of a new request, never 0.
func (t *table) add(x *eventloop.Exchange) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		t.slots = append(t.slots, slot{r: new(request)})
		t.free = append(t.free, uint32(len(t.slots)-1))
	}
	i := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	s := &t.slots[i]
	s.use++
	s.r.x = x
	return uint64(s.use)<<32 | uint64(i+1)
}

// get returns the request of a number, nil if it has ended.
func (t *table) get(id uint64) *request {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.slot(id); s != nil {
		return s.r
	}
	return nil
}

// exchange is get for what may go on while another thread ends the request: the place
// in the table may then be the next one's.
func (t *table) exchange(id uint64) *eventloop.Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.slot(id); s != nil {
		return s.r.x
	}
	return nil
}

// remove frees a number.
func (t *table) remove(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.slot(id)
	if s == nil {
		return
	}
	s.use++
	if s.r.input.running() || s.r.output.running() {
		s.r = new(request) // its goroutines keep the old one
	} else {
		fields := s.r.head.Fields[:0]
		*s.r = request{}
		s.r.head.Fields = fields
	}
	t.free = append(t.free, uint32(id)-1)
}

func (t *table) slot(id uint64) *slot {
	i := uint32(id) - 1
	if uint64(i) >= uint64(len(t.slots)) {
		return nil
	}
	if s := &t.slots[i]; s.use == uint32(id>>32) {
		return s
	}
	return nil
}
