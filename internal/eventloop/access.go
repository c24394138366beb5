// The access log and the request's id.

//go:build linux

package eventloop

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"
	"unsafe"

	"github.com/appd-server/appd/internal/accesslog"
)

// RequestID is the id that the front or a client gave the request (X-Request-ID,
// at most 128 letters, digits, and -_.:+/=@), or else a new one of 32 hex digits.
func (x *Exchange) RequestID() string { return x.requestID }

// makeID gives the exchange a random id, written into its own memory.
func (x *Exchange) makeID() {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	hex.Encode(x.id32[:], b[:])
	x.requestID = unsafe.String(&x.id32[0], len(x.id32))
}

// validID says whether an id from outside may stand in logs and headers.
func validID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '+', c == '/', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}

// logAccess writes the line of a finished request.
func (l *Loop) logAccess(x *Exchange, status int, now int64) {
	if !l.config.Access.Enabled() {
		return
	}
	e := x.entry(status, now)
	l.config.Access.Append(&e)
}

// dropped is how many lines the access log had lost when that was last said.
type dropped struct {
	lines int
	at    int64
}

// tickAccess writes the lines that wait, and says now and then how many could not be.
func (l *Loop) tickAccess(now int64, said dropped) dropped {
	l.config.Access.Tick(now)
	lines := l.config.Access.Dropped()
	if lines == said.lines || said.at != 0 && now-said.at < int64(fullNote) {
		return said
	}
	l.logf("lines of the access log were dropped: %d; nobody reads it, or the disk is full", lines-said.lines)
	return dropped{lines, now}
}

// entry is what logs say of a request.
func (x *Exchange) entry(status int, now int64) accesslog.Entry {
	e := accesslog.Entry{
		Head:      x.Head,
		RequestID: x.requestID,
		Status:    status,
		Bytes:     x.sent,
		End:       now,
		Took:      time.Duration(now - x.Started),
	}
	if x.answer != nil {
		e.Fields = x.answer.Fields
	}
	if p := x.peer(); p.IsValid() {
		e.Remote = p.Addr().String()
	}
	return e
}
