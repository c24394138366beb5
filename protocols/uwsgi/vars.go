// Vars: names and values behind two-byte lengths.

package uwsgi

import (
	"bytes"
	"errors"

	"github.com/appd-server/appd/protocols/cgi"
)

var (
	errTruncatedVar = errors.New("a var is longer than the packet")
	errNUL          = errors.New("a NUL byte in a var")
)

// pos is where a var stands in a packet. Its positions may lie behind the packet.
type pos struct {
	name, nameEnd, value, end int
}

// nextVar finds the var that begins at p[at]. ok is false when not even its
// lengths are there.
func nextVar(p []byte, at int) (v pos, ok bool) {
	if len(p)-at < 2 {
		return v, false
	}
	v.name = at + 2
	v.nameEnd = v.name + int(p[at]) + int(p[at+1])<<8
	if v.value = v.nameEnd + 2; v.value > len(p) {
		v.end = v.value
		return v, false
	}
	v.end = v.value + int(p[v.nameEnd]) + int(p[v.nameEnd+1])<<8
	return v, true
}

// countVars checks all vars of a packet and counts those with a name. One fast
// pass counts the zero bytes; those that belong to lengths are taken off.
func countVars(p []byte) (n int, err error) {
	nuls := bytes.Count(p, zero)
	for at := 0; at < len(p); {
		v, ok := nextVar(p, at)
		if !ok || v.end > len(p) {
			return 0, errTruncatedVar
		}
		for _, b := range [...]byte{p[at], p[at+1], p[v.nameEnd], p[v.nameEnd+1]} {
			if b == 0 {
				nuls--
			}
		}
		if v.nameEnd > v.name {
			n++
		}
		at = v.end
	}
	if nuls != 0 {
		return 0, errNUL
	}
	return n, nil
}

var zero = []byte{0}

// parseVars makes a head of the vars of a packet. All strings share one copy of
// it. A var without a name is dropped.
func parseVars(p []byte) (*cgi.Head, error) {
	n, err := countVars(p)
	if err != nil {
		return nil, err
	}
	h := cgi.NewHead(cgi.UWSGI, n)
	s := string(p)
	for at := 0; at < len(p); {
		v, _ := nextVar(p, at)
		if v.nameEnd > v.name {
			h.Vars = append(h.Vars, cgi.Var{Name: s[v.name:v.nameEnd], Value: s[v.value:v.end]})
		}
		at = v.end
	}
	return h, nil
}

// scanVars looks through vars that are not handed out, for what a refusal needs to
// know: whether the method is HEAD, and which vars are the biggest.
func scanVars(p []byte) (head bool, big cgi.Biggest) {
	for at := 0; at < len(p); {
		v, ok := nextVar(p, at)
		if !ok || v.end > len(p) {
			break
		}
		name := p[v.name:v.nameEnd]
		if string(name) == "REQUEST_METHOD" {
			head = string(p[v.value:v.end]) == "HEAD"
		}
		big.Add(name, int64(len(name)+v.end-v.value))
		at = v.end
	}
	return head, big
}

// appendVar appends one var.
func appendVar(dst []byte, name, value string) []byte {
	dst = append(dst, byte(len(name)), byte(len(name)>>8))
	dst = append(dst, name...)
	dst = append(dst, byte(len(value)), byte(len(value)>>8))
	return append(dst, value...)
}
