// What the threads of C call for every request. None of these blocks, but those
// that say so.

package main

/*
#include <stdlib.h>
#include <sys/epoll.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"io"
	"os"
	"strconv"
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

// describe packs the request's variables into C's memory.
func (w *worker) describe(x *eventloop.Exchange, r *C.struct_appd_request) error {
	if x.Head.Protocol != cgi.HTTP { // whose codec checks as it reads
		if err := x.Head.Check(); err != nil {
			return err
		}
	}
	scratch := w.vars.Get().(*[]cgi.Var)
	defer w.vars.Put(scratch)
	vars, err := x.Head.Environ((*scratch)[:0], w.mounts[x.Listener])
	if err != nil {
		return err
	}
	*scratch = vars
	id := requests.add(x)
	r.id, r.size, r.file, r.streamed = C.uint64_t(id), 0, -1, 0
	r.head = flag(vars[0].Value == "HEAD")
	if w.whole {
		mem, file, size := x.Body()
		r.body, r.body_room, r.size = (*C.char)(unsafe.Pointer(unsafe.SliceData(mem))), C.size_t(cap(mem)), C.int64_t(size)
		if file != nil {
			r.file = C.int32_t(descriptor(file))
		}
	} else if x.Head.ContentLength != 0 {
		r.size, r.streamed = C.int64_t(x.Head.ContentLength), 1
	}
	if int64(r.size) != x.Head.ContentLength && r.size >= 0 {
		setLength(vars, int64(r.size))
	}
	scheme := "http"
	if x.Head.Secure() {
		scheme = "https"
	}
	pack(r, vars, cgi.Var{Name: "wsgi.url_scheme", Value: scheme}, cgi.Var{Name: "appd.protocol", Value: x.Head.Protocol.String()})
	return nil
}

// memory is realloc for the bodies of requests, which become C's with the request.
func memory(p []byte, n int) []byte {
	old := (*C.char)(unsafe.Pointer(unsafe.SliceData(p)))
	if n == 0 {
		C.appd_body_free(old, C.size_t(cap(p)))
		return nil
	}
	if n > C.APPD_BODY/8 && n < C.APPD_BODY {
		n = C.APPD_BODY
	}
	room := C.appd_body(old, C.size_t(n))
	if room == nil {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(room)), n)[:len(p)]
}

// setLength makes CONTENT_LENGTH say what the body really holds, which only its
// end told.
func setLength(vars cgi.Vars, n int64) {
	for i := range vars {
		if vars[i].Name == "CONTENT_LENGTH" {
			vars[i].Value = strconv.FormatInt(n, 10)
		}
	}
}

// descriptor is a file's descriptor, which stays the file's.
func descriptor(f *os.File) (fd int) {
	fd = -1
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(p uintptr) { fd = int(p) })
	}
	return fd
}

func flag(b bool) C.uint8_t {
	if b {
		return 1
	}
	return 0
}

// pack writes variables as lengths and bytes; see struct appd_request.
func pack(r *C.struct_appd_request, vars []cgi.Var, more ...cgi.Var) {
	need := 0
	for _, list := range [2][]cgi.Var{vars, more} {
		for i := range list {
			need += 8 + len(list[i].Name) + len(list[i].Value)
		}
	}
	if need > int(r.capacity) {
		r.capacity = C.uint32_t(2 * need)
		r.vars = (*C.char)(C.realloc(unsafe.Pointer(r.vars), C.size_t(r.capacity)))
	}
	p := bytesAt(r.vars, C.size_t(need))
	for _, list := range [2][]cgi.Var{vars, more} {
		for i := range list {
			v := &list[i]
			*(*uint32)(unsafe.Pointer(&p[0])) = uint32(len(v.Name))
			*(*uint32)(unsafe.Pointer(&p[4])) = uint32(len(v.Value))
			n := 8 + copy(p[8:], v.Name)
			p = p[n+copy(p[n:], v.Value):]
		}
	}
	r.used, r.count = C.uint32_t(need), C.uint32_t(len(vars)+len(more))
}

// fill makes r.head what C says. Its strings are C's memory, which stays as it is
// until the end of the exchange: the access log reads it then.
func (r *request) fill(h *C.struct_appd_head, front cgi.Front) {
	fields := r.head.Fields[:0]
	p := bytesAt(h.fields, C.size_t(h.fields_length))
	for range int(h.count) {
		n, v := *(*uint32)(unsafe.Pointer(&p[0])), *(*uint32)(unsafe.Pointer(&p[4]))
		fields = append(fields, cgi.Var{Name: stringOf(p[8 : 8+n]), Value: stringOf(p[8+n : 8+n+v])})
		p = p[8+n+v:]
	}
	if r.x.Head.Protocol == cgi.HTTP {
		fields = dated(fields)
	}
	r.head = cgi.AnswerHead{
		Status:        int(h.status),
		Reason:        stringOf(bytesAt(h.reason, C.size_t(h.reason_length))),
		Fields:        fields,
		ContentLength: int64(h.length),
		NoLength:      h.no_length != 0,
		NoBody:        h.no_body != 0,
		Front:         front,
	}
}

func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

//export appd_answer
func appd_answer(id C.uint64_t, h *C.struct_appd_head, body *C.char, n C.size_t, flags C.int) C.int64_t {
	r := requests.get(uint64(id))
	if r == nil {
		return -1
	}
	last := flags&C.APPD_LAST != 0
	pending, err := r.answer(h, bytesAt(body, n), last)
	if flags&C.APPD_DONE != 0 {
		r.x.Done()
		requests.remove(uint64(id))
	}
	if last {
		publish()
	}
	if err != nil {
		return -1
	}
	return C.int64_t(pending)
}

func (r *request) answer(h *C.struct_appd_head, body []byte, last bool) (int, error) {
	if h == nil {
		return r.x.Answer(nil, body, last)
	}
	r.fill(h, engine.fronts[r.x.Listener])
	return r.x.Answer(&r.head, body, last)
}

//export appd_wait
func appd_wait(id C.uint64_t, limit C.int64_t) C.int64_t { // blocks
	x := requests.exchange(uint64(id))
	if x == nil || x.WaitOut(int(limit)) != nil {
		return -1
	}
	return 0
}

//export appd_wait_later
func appd_wait_later(id C.uint64_t, limit C.int64_t) C.int64_t {
	r := requests.get(uint64(id))
	if r == nil {
		return -1
	}
	x := r.x
	n, _ := r.output.later(uint64(id)|writing, func() (int64, []byte) {
		if x.WaitOut(int(limit)) != nil {
			return -1, nil
		}
		return 0, nil
	})
	return C.int64_t(n)
}

//export appd_sendfile
func appd_sendfile(id C.uint64_t, h *C.struct_appd_head, fd C.int, off, n C.int64_t) C.int64_t { // blocks
	r := requests.get(uint64(id))
	if r == nil {
		return -1
	}
	if h != nil {
		if _, err := r.answer(h, nil, false); err != nil {
			return -1
		}
	}
	sent, err := r.x.SendFile(int(fd), int64(off), int64(n))
	if err == nil && sent == int64(n) {
		r.x.Answer(nil, nil, true)
		publish()
	}
	return C.int64_t(sent)
}

//export appd_failed
func appd_failed(id C.uint64_t) {
	if x := requests.exchange(uint64(id)); x != nil {
		var f cgi.Facts
		x.Head.Facts(&f)
		x.Stderr(fmt.Sprintf("exception serving %s %q (request %s)", f.Method, f.RawPath(), x.RequestID()))
	}
}

//export appd_break
func appd_break(id C.uint64_t) {
	if x := requests.exchange(uint64(id)); x != nil {
		x.Break()
		publish()
	}
}

//export appd_done
func appd_done(id C.uint64_t) {
	if r := requests.get(uint64(id)); r != nil {
		r.x.Break() // does nothing after the end of the answer
		r.x.Done()
		requests.remove(uint64(id))
		publish()
	}
}

//export appd_read
func appd_read(id C.uint64_t, p *C.char, n C.size_t) C.int64_t { // blocks
	x := requests.exchange(uint64(id))
	if x == nil {
		return -1
	}
	return C.int64_t(read(x, bytesAt(p, n)))
}

// read is Read with the end as 0 and an error as -1.
func read(x *eventloop.Exchange, p []byte) int {
	n, err := x.Read(p)
	if n == 0 && err != nil && err != io.EOF {
		return -1
	}
	return n
}

//export appd_read_later
func appd_read_later(id C.uint64_t, p *C.char, n C.size_t) C.int64_t {
	r := requests.get(uint64(id))
	if r == nil {
		return -1
	}
	x, size := r.x, min(int(n), 64<<10)
	got, data := r.input.later(uint64(id), func() (int64, []byte) {
		data := make([]byte, size)
		got := read(x, data)
		return int64(got), data[:max(got, 0)]
	})
	copy(bytesAt(p, n), data)
	return C.int64_t(got)
}

//export appd_waited
func appd_waited() C.uint64_t { return C.uint64_t(announced.take()) }

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
