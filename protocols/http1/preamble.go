// The PROXY preamble, with which HAProxy and others tell whose connection they
// pass on: https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt.

package http1

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
)

const (
	signatureV1 = "PROXY "
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
	maxV1       = 107 // bytes of the line, its end included
	headV2      = 16  // bytes before the addresses
)

// The faults of a preamble.
var (
	errNoPreamble  = errors.New("the connection does not begin with a PROXY preamble")
	errBadPreamble = errors.New("a malformed PROXY preamble")
	errDatagram    = errors.New("a PROXY preamble for datagrams")
)

// ParsePreamble reads the PROXY preamble, version 1 or 2, at the beginning of p.
// It returns how long it is, 0 as long as p does not hold all of it. The addresses
// are invalid if it names none: the connection then counts for itself.
func ParsePreamble(p []byte) (src, dst netip.AddrPort, n int, err error) {
	switch {
	case agree(p, signatureV2):
		if len(p) < headV2 {
			return src, dst, 0, nil
		}
		return parseV2(p)
	case agree(p, signatureV1):
		if i := bytes.IndexByte(p[:min(len(p), maxV1)], '\n'); i >= 0 {
			src, dst, err = parseV1(string(p[:i+1]))
			return src, dst, i + 1, err
		}
		if len(p) >= maxV1 {
			return src, dst, 0, errBadPreamble
		}
		return src, dst, 0, nil
	}
	return src, dst, 0, errNoPreamble
}

// agree reports whether p begins with signature, as far as it goes.
func agree(p []byte, signature string) bool {
	n := min(len(p), len(signature))
	return string(p[:n]) == signature[:n]
}

// parseV1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n".
func parseV1(line string) (src, dst netip.AddrPort, err error) {
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return src, dst, errBadPreamble
	}
	w := strings.Split(line, " ")
	if w[1] == "UNKNOWN" {
		return src, dst, nil
	}
	if len(w) != 6 || w[1] != "TCP4" && w[1] != "TCP6" {
		return src, dst, errBadPreamble
	}
	src, ok1 := addressV1(w[2], w[4], w[1] == "TCP4")
	dst, ok2 := addressV1(w[3], w[5], w[1] == "TCP4")
	if !ok1 || !ok2 {
		return netip.AddrPort{}, netip.AddrPort{}, errBadPreamble
	}
	return src, dst, nil
}

func addressV1(host, port string, v4 bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Is4() != v4 || a.Zone() != "" || port == "" || !digit(port[0]) {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a, uint16(n)), err == nil
}

// parseV2 reads the binary form; p holds at least headV2 bytes.
func parseV2(p []byte) (src, dst netip.AddrPort, n int, err error) {
	size := int(binary.BigEndian.Uint16(p[14:]))
	command, family := p[12], p[13]
	if command != 0x20 && command != 0x21 {
		return src, dst, 0, errBadPreamble
	}
	if len(p) < headV2+size {
		return src, dst, 0, nil
	}
	n = headV2 + size
	a := p[headV2:n]
	switch {
	case command == 0x20: // LOCAL: a health check of the proxy's own
		return src, dst, n, nil
	case family == 0x11 && len(a) >= 12:
		src, dst = addressesV2(a, 4)
	case family == 0x21 && len(a) >= 36:
		src, dst = addressesV2(a, 16)
	case family == 0x31 && len(a) >= 216, family>>4 == 0:
		// A Unix socket, or nothing that the proxy could name.
	case family&0xf == 2:
		return src, dst, n, errDatagram
	default:
		return src, dst, n, errBadPreamble
	}
	return src, dst, n, nil
}

// addressesV2 reads two addresses of size bytes and their ports.
func addressesV2(a []byte, size int) (src, dst netip.AddrPort) {
	from, _ := netip.AddrFromSlice(a[:size])
	to, _ := netip.AddrFromSlice(a[size : 2*size])
	ports := a[2*size:]
	return netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(ports)),
		netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(ports[2:]))
}

// feedPreamble looks for a preamble in p[n:], behind what came before it.
func (c *Codec) feedPreamble(p []byte, n int, sink cgi.Sink) (int, error) {
	in, old := p[n:], len(c.partial)
	if len(in) == 0 {
		return n, nil
	}
	if old > 0 {
		c.partial = append(c.partial, in...)
		in = c.partial
	}
	src, dst, size, err := ParsePreamble(in)
	switch {
	case err != nil:
		return n, c.refuse(400, err.Error(), sink)
	case size == 0:
		if old == 0 {
			c.partial = append([]byte(nil), in...)
		}
		return len(p), nil
	}
	if src.IsValid() {
		c.peer, c.local = src, dst
	}
	c.state, c.partial = inHead, nil
	return n + size - old, nil
}
