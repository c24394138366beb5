// The queue of exchanges that wait for a foreign thread.

//go:build linux

package eventloop

import (
	"sync"
	"sync/atomic"
)

// queue holds exchanges that may start, in the order of their arrival.
type queue struct {
	n    atomic.Int32
	mu   sync.Mutex
	list []*Exchange
	head int
}

func (q *queue) push(x *Exchange) {
	q.mu.Lock()
	q.list = append(q.list, x)
	q.n.Add(1)
	q.mu.Unlock()
}

func (q *queue) pop() *Exchange {
	if q.n.Load() == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.list) {
		return nil
	}
	x := q.list[q.head]
	q.list[q.head] = nil
	q.n.Add(-1)
	if q.head++; q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
	return x
}

func (q *queue) size() int { return int(q.n.Load()) }
