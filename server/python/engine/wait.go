// Waiting for a client without a thread: what gevent's workers do.

//go:build cgo

package main

import "sync"

// waiter is one wait of one request: begun by the first call, over when its
// goroutine has announced the number, and collected by the next call.
type waiter struct {
	mu     *sync.Mutex
	state  waitState
	result int64
	data   []byte
}

type waitState uint8

const (
	notWaiting waitState = iota
	waiting
	waited
)

// again is what a call returns that has to be repeated once the number is announced.
const again = -2

// writing marks the number of a request whose answer is waited for, not its body.
const writing = 1 << 31

func (w *waiter) running() bool { return w.mu != nil && w.begin() == again }

func (w *waiter) begin() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == waiting {
		return again
	}
	return 0
}

// later runs f in a goroutine, once; it returns again until f has returned, then
// f's result and the bytes f left.
func (w *waiter) later(id uint64, f func() (int64, []byte)) (int64, []byte) {
	if w.mu == nil {
		w.mu = new(sync.Mutex)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.state {
	case waited:
		w.state = notWaiting
		return w.result, w.data
	case notWaiting:
		w.state = waiting
		go func() {
			n, data := f()
			w.mu.Lock()
			w.state, w.result, w.data = waited, n, data
			w.mu.Unlock()
			announced.add(id)
		}()
	}
	return again, nil
}

// announcements are the numbers whose wait is over and that nobody collected.
type announcements struct {
	mu  sync.Mutex
	ids []uint64
}

var announced announcements

func (a *announcements) add(id uint64) {
	a.mu.Lock()
	a.ids = append(a.ids, id)
	a.mu.Unlock()
	wake()
}

// take returns one number, 0 if there is none.
func (a *announcements) take() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ids) == 0 {
		return 0
	}
	id := a.ids[0]
	a.ids = a.ids[1:]
	return id
}
