// Hex with a comment per field.

package golden

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// page collects lines of hex and comment.
type page struct {
	strings.Builder
	rest []byte
}

// field writes the next n bytes, split into groups of the given sizes (what is
// left over is the last group), and a comment.
func (p *page) field(n int, comment string, groups ...int) {
	n = min(n, len(p.rest))
	field := p.rest[:n]
	p.rest = p.rest[n:]
	for _, g := range groups {
		g = min(g, len(field))
		fmt.Fprintf(p, "%x ", field[:g])
		field = field[g:]
	}
	for len(field) > 64 {
		fmt.Fprintf(p, "%x\n", field[:64])
		field = field[64:]
	}
	if len(field) > 0 {
		fmt.Fprintf(p, "%x ", field)
	}
	fmt.Fprintf(p, "# %s\n", comment)
}

var recordTypes = map[byte]string{
	1: "BEGIN_REQUEST", 2: "ABORT_REQUEST", 3: "END_REQUEST", 4: "PARAMS", 5: "STDIN", 6: "STDOUT",
	7: "STDERR", 8: "DATA", 9: "GET_VALUES", 10: "GET_VALUES_RESULT", 11: "UNKNOWN_TYPE",
}

// FastCGI annotates FastCGI records.
func FastCGI(wire []byte) string {
	p := &page{rest: wire}
	for len(p.rest) >= 8 {
		h := p.rest[:8]
		n, pad := int(binary.BigEndian.Uint16(h[4:])), int(h[6])
		p.field(8, fmt.Sprintf("%s, request %d, %d bytes, padding %d", recordTypes[h[1]], binary.BigEndian.Uint16(h[2:]), n, pad), 1, 1, 2, 2, 1)
		n = min(n, len(p.rest))
		after := p.rest[n:]
		switch h[1] {
		case 1:
			p.field(n, "role, flags", 2, 1)
		case 4, 9:
			p.pairs(n)
		default:
			if n > 0 {
				p.field(n, fmt.Sprintf("%.40q", p.rest[:n]))
			}
		}
		p.rest = after
		if pad > 0 {
			p.field(pad, "padding")
		}
	}
	if len(p.rest) > 0 {
		p.field(len(p.rest), "cut here")
	}
	return p.String()
}

// pairs writes n bytes of name-value pairs. A pair that the record cuts is written
// as it stands: pairs straddle records.
func (p *page) pairs(n int) {
	whole := p.rest
	p.rest = p.rest[:n]
	for len(p.rest) > 0 {
		name, k := pairLen(p.rest)
		value, l := pairLen(p.rest[min(k, len(p.rest)):])
		end := k + l + name + value
		if k == 0 || l == 0 || end > len(p.rest) {
			p.field(len(p.rest), "part of a pair")
			break
		}
		p.field(end, fmt.Sprintf("%s = %.60q", p.rest[k+l:k+l+name], p.rest[k+l+name:end]), k, l, name)
	}
	p.rest = whole[n:]
}

func pairLen(p []byte) (n, size int) {
	switch {
	case len(p) > 0 && p[0] < 0x80:
		return int(p[0]), 1
	case len(p) >= 4:
		return int(binary.BigEndian.Uint32(p) & 0x7fffffff), 4
	}
	return 0, 0
}

// UWSGI annotates a uwsgi packet and the body behind it.
func UWSGI(wire []byte) string {
	p := &page{rest: wire}
	if len(wire) < 4 {
		p.field(len(wire), "cut here")
		return p.String()
	}
	size := int(binary.LittleEndian.Uint16(wire[1:]))
	p.field(4, fmt.Sprintf("modifier1 %d, %d bytes of vars, modifier2 %d", wire[0], size, wire[3]), 1, 2)
	body := p.rest[min(size, len(p.rest)):]
	p.rest = p.rest[:len(p.rest)-len(body)]
	for len(p.rest) >= 2 {
		name := int(binary.LittleEndian.Uint16(p.rest))
		if 4+name > len(p.rest) {
			break
		}
		end := 4 + name + int(binary.LittleEndian.Uint16(p.rest[2+name:]))
		if end > len(p.rest) {
			break
		}
		p.field(end, fmt.Sprintf("%s = %.60q", p.rest[2:2+name], p.rest[4+name:end]), 2, name, 2)
	}
	if len(p.rest) > 0 {
		p.field(len(p.rest), "part of a var")
	}
	if p.rest = body; len(body) > 0 {
		p.field(len(body), fmt.Sprintf("body %.40q", body))
	}
	return p.String()
}
