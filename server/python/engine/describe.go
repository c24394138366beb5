// A request as C sees it: its variables and its body, packed into C's memory.

package main

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"os"
	"strconv"
	"unsafe"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/protocols/cgi"
)

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
