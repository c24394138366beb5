// Buffers that move between the socket and the codec, pooled by the process.

//go:build linux

package eventloop

import "sync"

// bufferSize is what one read asks for and what one write gathers: a front's usual
// request, or a record of a bulk upload, in one call.
const bufferSize = 32 << 10

type buffer [bufferSize]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func getBuffer() *buffer  { return buffers.Get().(*buffer) }
func putBuffer(b *buffer) { buffers.Put(b) }
