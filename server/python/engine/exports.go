// How the threads of C get requests, and what else they ask of the loop. None of these
// blocks, but those that say so.

package main

/*
#include <sys/epoll.h>
#include "shim.h"
*/
import "C"

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/protocols/cgi"
)

// worker is what this process serves with; appd_start sets it before any thread
// calls anything else.
var engine *worker

var requests table

// wake wakes one thread of C that waits.
func wake() { C.appd_wake() }

// bytesAt is C memory as a slice, for the time of one call.
func bytesAt(p *C.char, n C.size_t) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), int(n)) }

// publishing orders those who publish: a number that was looked up before another
// thread queued a request must not be stored after that thread's.
var publishing sync.Mutex

// publish tells C how many requests may start, and how many connections are new.
func publish() {
	publishing.Lock()
	defer publishing.Unlock()
	atomic.StoreInt32((*int32)(&C.appd_queue), int32(engine.loop.Queued()))
	atomic.StoreInt32((*int32)(&C.appd_unsettled), int32(engine.loop.Unsettled()))
}

//export appd_turn
func appd_turn(r *C.struct_appd_request, events unsafe.Pointer, n C.int) C.int {
	x := engine.loop.Turn(unsafe.Slice((*syscall.EpollEvent)(events), int(n))) // without events: look at new connections again
	publish()
	return engine.hand(x, r)
}

//export appd_next
func appd_next(r *C.struct_appd_request) C.int {
	x := engine.loop.Next()
	publish()
	return engine.hand(x, r)
}

// hand fills r with a request that may start and reports 1. One that cannot be
// told to an application is answered here, and the next is tried.
func (w *worker) hand(x *eventloop.Exchange, r *C.struct_appd_request) C.int {
	for ; x != nil; x = w.loop.Next() {
		if x.Err() != nil { // its front went away while it was queued
			x.Break()
			x.Done()
			continue
		}
		if err := w.describe(x, r); err != nil {
			w.refuse(x, err)
			continue
		}
		return 1
	}
	r.id = 0
	return 0
}

// refuse answers a request whose variables make no sense.
func (w *worker) refuse(x *eventloop.Exchange, err error) {
	status := 400
	if e, ok := err.(*cgi.Error); ok && e.Status != 0 {
		status = e.Status
	}
	w.log.Printf("%v", err)
	h, text := cgi.Refusal(status, x.Head.WantsNoBody())
	x.Answer(h, text, true)
	x.Done()
}

//export appd_timeout
func appd_timeout(id C.uint64_t, milliseconds C.int64_t) {
	if x := requests.exchange(uint64(id)); x != nil {
		x.SetTimeout(time.Duration(milliseconds) * time.Millisecond)
	}
}

//export appd_move
func appd_move(milliseconds C.int) { // blocks
	engine.loop.Move(int(milliseconds))
	publish()
}

//export appd_accept
func appd_accept(on C.int) { engine.accept(on != 0) }

//export appd_epoll
func appd_epoll() C.int { return C.int(engine.loop.EpollFD()) }
