// Name-value pairs, the content of PARAMS and of the management records.

package fastcgi

import (
	"bytes"
	"errors"

	"github.com/appd-server/appd/protocols/cgi"
)

var (
	errTruncatedPair = errors.New("a pair is longer than its stream")
	errNUL           = errors.New("a NUL byte in a pair")
)

// pairLen reads one length of a pair: one byte up to 127, else four with the high
// bit set. k is how many bytes it took, 0 when p ends too early.
func pairLen(p []byte) (n uint32, k int) {
	switch {
	case len(p) > 0 && p[0] < 0x80:
		return uint32(p[0]), 1
	case len(p) >= 4:
		return uint32(p[0]&0x7f)<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3]), 4
	}
	return 0, 0
}

// pair is where the name and the value of a pair stand: p[name:value:end].
type pair struct {
	name, value, end int64
}

// nextPair finds the pair that begins at p[at]. Its positions may lie behind p:
// they are 64 bits wide, so that two lengths of 31 bits cannot wrap around (which
// is what CVE-2025-23016 in libfcgi was). ok is false when not even the lengths
// are there.
func nextPair(p []byte, at int64) (pr pair, ok bool) {
	n, k := pairLen(p[at:])
	if k == 0 {
		return pr, false
	}
	v, l := pairLen(p[at+int64(k):])
	if l == 0 {
		return pr, false
	}
	pr.name = at + int64(k) + int64(l)
	pr.value = pr.name + int64(n)
	pr.end = pr.value + int64(v)
	return pr, true
}

// countPairs checks a whole block of pairs and counts those with a name. The
// specification forbids NUL in names and values: one fast pass counts the zero
// bytes, and those that belong to lengths are taken off.
func countPairs(p []byte) (n int, err error) {
	nuls := bytes.Count(p, zeros[:1])
	for at := int64(0); at < int64(len(p)); {
		pr, ok := nextPair(p, at)
		if !ok || pr.end > int64(len(p)) {
			return 0, errTruncatedPair
		}
		for _, b := range p[at:pr.name] {
			if b == 0 {
				nuls--
			}
		}
		if pr.value > pr.name {
			n++
		}
		at = pr.end
	}
	if nuls != 0 {
		return 0, errNUL
	}
	return n, nil
}

// parseParams makes a head of a whole block of pairs. All strings share one copy
// of the block. A pair without a name is dropped.
func parseParams(p []byte) (*cgi.Head, error) {
	n, err := countPairs(p)
	if err != nil {
		return nil, err
	}
	h := cgi.NewHead(cgi.FastCGI, n)
	s := string(p)
	for at := int64(0); at < int64(len(p)); {
		pr, _ := nextPair(p, at)
		if pr.value > pr.name {
			h.Vars = append(h.Vars, cgi.Var{Name: s[pr.name:pr.value], Value: s[pr.value:pr.end]})
		}
		at = pr.end
	}
	return h, nil
}

// appendPair appends one pair, lengths in their short form where it fits.
func appendPair(dst []byte, name, value string) []byte {
	dst = appendPairLen(dst, len(name))
	dst = appendPairLen(dst, len(value))
	dst = append(dst, name...)
	return append(dst, value...)
}

func appendPairLen(dst []byte, n int) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	return append(dst, byte(n>>24)|0x80, byte(n>>16), byte(n>>8), byte(n))
}

// scanParams looks through params that are not handed out, for what a refusal
// needs to know: whether the method is HEAD, and which pairs are the biggest. A
// pair that p cuts off counts with the length it announced.
func scanParams(p []byte) (head bool, big cgi.Biggest) {
	for at := int64(0); at < int64(len(p)); {
		pr, ok := nextPair(p, at)
		if !ok || pr.value > int64(len(p)) {
			break
		}
		name := p[pr.name:pr.value]
		if pr.end <= int64(len(p)) && string(name) == "REQUEST_METHOD" {
			head = string(p[pr.value:pr.end]) == "HEAD"
		}
		big.Add(name, pr.end-pr.name)
		at = pr.end
	}
	return head, big
}
