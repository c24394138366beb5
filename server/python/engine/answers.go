// What the threads of C call for a request that they serve: its answer and its body.
// None of these blocks, but those that say so.

package main

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"io"
	"unsafe"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/protocols/cgi"
)

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
