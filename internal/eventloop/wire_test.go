//go:build linux

package eventloop

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// record is a FastCGI record.
func record(typ byte, id uint16, content string) []byte {
	h := []byte{1, typ, byte(id >> 8), byte(id), byte(len(content) >> 8), byte(len(content)), 0, 0}
	return append(h, content...)
}

// begin is a FastCGI request up to its body.
func begin(id uint16, path string, length int) []byte {
	var vars strings.Builder
	for _, v := range [][2]string{{"REQUEST_METHOD", "POST"}, {"REQUEST_URI", path}, {"SCRIPT_NAME", path}, {"CONTENT_LENGTH", strconv.Itoa(length)}} {
		vars.WriteString(string([]byte{byte(len(v[0])), byte(len(v[1]))}) + v[0] + v[1])
	}
	out := record(1, id, "\x00\x01\x01\x00\x00\x00\x00\x00")
	out = append(out, record(4, id, vars.String())...)
	return append(out, record(4, id, "")...)
}

// body is a whole body in records.
func body(id uint16, s string) (out []byte) {
	for len(s) > 0 {
		n := min(len(s), 32000)
		out = append(out, record(5, id, s[:n])...)
		s = s[n:]
	}
	return append(out, record(5, id, "")...)
}

// front is the other side of a FastCGI connection.
type front struct {
	net.Conn
	in     *bufio.Reader
	stdout map[uint16]string
	ended  map[uint16]bool
	status byte // of the last END_REQUEST
}

func newFront(c net.Conn) *front {
	return &front{Conn: c, in: bufio.NewReader(c), stdout: map[uint16]string{}, ended: map[uint16]bool{}}
}

// until reads records until request id has its END_REQUEST.
func (f *front) until(t *testing.T, id uint16) string {
	t.Helper()
	for !f.ended[id] {
		var h [8]byte
		if _, err := io.ReadFull(f.in, h[:]); err != nil {
			t.Fatalf("request %d: %v", id, err)
		}
		p := make([]byte, int(binary.BigEndian.Uint16(h[4:]))+int(h[6]))
		if _, err := io.ReadFull(f.in, p); err != nil {
			t.Fatal(err)
		}
		got := binary.BigEndian.Uint16(h[2:])
		switch p = p[:binary.BigEndian.Uint16(h[4:])]; h[1] {
		case 6:
			f.stdout[got] += string(p)
		case 3:
			f.ended[got], f.status = true, p[4]
		}
	}
	delete(f.ended, id)
	out := f.stdout[id]
	delete(f.stdout, id)
	return out
}
