// Records: the eight bytes in front of everything, and the numbers in them.

package fastcgi

const (
	version   = 1
	headerLen = 8
)

// The record types (section 8 of the specification).
const (
	typeBeginRequest    = 1
	typeAbortRequest    = 2
	typeEndRequest      = 3
	typeParams          = 4
	typeStdin           = 5
	typeStdout          = 6
	typeStderr          = 7
	typeData            = 8
	typeGetValues       = 9
	typeGetValuesResult = 10
	typeUnknownType     = 11
)

const (
	roleResponder = 1
	flagKeepConn  = 1
	beginLen      = 8 // content of BEGIN_REQUEST and END_REQUEST
	endLen        = 8
)

// Protocol statuses of END_REQUEST.
const (
	// RequestComplete is the normal end of a request.
	RequestComplete = 0
	// CantMultiplex says that requests should not share a connection.
	CantMultiplex = 1
	// Overloaded refuses a request for lack of something; we answer 503 instead.
	Overloaded = 2
	// UnknownRole refuses authorizers and filters.
	UnknownRole = 3
)

// header is the front of a record. The reserved byte is not looked at: HAProxy
// has sent garbage there.
type header struct {
	typ     uint8
	id      uint16
	content int
	padding int
}

// parseHeader reads a header of at least eight bytes whose version was checked.
func parseHeader(p []byte) header {
	_ = p[7]
	return header{
		typ:     p[1],
		id:      uint16(p[2])<<8 | uint16(p[3]),
		content: int(p[4])<<8 | int(p[5]),
		padding: int(p[6]),
	}
}

// padding is what fills n bytes of content up to the 8 that the specification
// recommends.
func padding(n int) int { return -n & 7 }

// zeros is where padding comes from.
var zeros [8]byte

// appendHeader appends the header of a record of n bytes.
func appendHeader(dst []byte, typ uint8, id uint16, n int) []byte {
	return append(dst, version, typ, byte(id>>8), byte(id), byte(n>>8), byte(n), byte(padding(n)), 0)
}

// appendRecord appends a whole record of at most 65535 bytes, what contentLength can say.
func appendRecord(dst []byte, typ uint8, id uint16, content []byte) []byte {
	dst = appendHeader(dst, typ, id, len(content))
	dst = append(dst, content...)
	return append(dst, zeros[:padding(len(content))]...)
}

// finishRecord turns what was appended behind a header at dst[start:] into that
// header's content.
func finishRecord(dst []byte, start int) []byte {
	n := len(dst) - start - headerLen
	dst[start+4], dst[start+5], dst[start+6] = byte(n>>8), byte(n), byte(padding(n))
	return append(dst, zeros[:padding(n)]...)
}

// appendEnd appends END_REQUEST.
func appendEnd(dst []byte, id uint16, appStatus uint32, status uint8) []byte {
	return append(dst, version, typeEndRequest, byte(id>>8), byte(id), 0, endLen, 0, 0,
		byte(appStatus>>24), byte(appStatus>>16), byte(appStatus>>8), byte(appStatus), status, 0, 0, 0)
}
