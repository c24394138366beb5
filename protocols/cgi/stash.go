// Stashes: what does not arrive in one piece.

package cgi

import "sync"

// Stash keeps bytes until the others of their kind are there. The zero Stash is
// empty and costs nothing.
type Stash struct{ buf *[]byte }

// stashes holds the buffers of those that are empty again.
var stashes = sync.Pool{New: func() any { return new([]byte) }}

// maxStash is the largest buffer, in bytes, that is kept for others.
const maxStash = 64 << 10

// Add appends p.
func (s *Stash) Add(p []byte) {
	if s.buf == nil {
		s.buf = stashes.Get().(*[]byte)
	}
	*s.buf = append(*s.buf, p...)
}

// Held says that something was added since the last Drop, be it no byte.
func (s *Stash) Held() bool { return s.buf != nil }

// Bytes are what was added; they are good until Drop.
func (s *Stash) Bytes() []byte {
	if s.buf == nil {
		return nil
	}
	return *s.buf
}

// Drop forgets everything.
func (s *Stash) Drop() {
	if s.buf != nil && cap(*s.buf) <= maxStash {
		*s.buf = (*s.buf)[:0]
		stashes.Put(s.buf)
	}
	s.buf = nil
}
