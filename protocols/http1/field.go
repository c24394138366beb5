// Reading the fields of a head.

package http1

import (
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/appd-server/appd/protocols/cgi"
)

// field reads the line in raw[at:end], which ends before its CR.
func (p *parser) field(at, end int, sink cgi.Sink) (int, string) {
	colon, underscore := at, false
	for colon < end && nameByte[p.raw[colon]] {
		underscore = underscore || p.raw[colon] == '_'
		colon++
	}
	if colon == at || colon == end || p.raw[colon] != ':' {
		return 400, p.badName(at, colon, end)
	}
	from, to := colon+1, end
	for from < to && (p.raw[from] == ' ' || p.raw[from] == '\t') {
		from++
	}
	for from < to && (p.raw[to-1] == ' ' || p.raw[to-1] == '\t') {
		to--
	}
	v := cgi.Var{Name: p.text[at:colon], Value: p.text[from:to]}
	if !clean(p.raw[from:to]) {
		return 400, "a control byte in " + strconv.Quote(v.Name)
	}
	if underscore {
		if !p.c.notified {
			p.c.notified = true
			sink.Note("http: header field ignored because of the underscore in its name: " + strconv.Quote(v.Name))
		}
		return 0, ""
	}
	p.h.Vars = append(p.h.Vars, v)
	return p.known(&v)
}

// badName says what is wrong with the line in raw[at:end], whose name ends at colon
// or should. It never repeats what may be a value, and so a secret.
func (p *parser) badName(at, colon, end int) string {
	shown := strconv.Quote(p.text[at:min(colon, at+40)])
	blank := colon < end && (p.raw[colon] == ' ' || p.raw[colon] == '\t')
	switch {
	case colon == end:
		return "a header line without a colon"
	case blank && colon == at:
		return "a folded header field"
	case blank:
		return "a space in or behind the name of a header field: " + shown
	case colon == at && p.raw[at] == ':':
		return "a header field without a name"
	}
	return "a byte that is not allowed in the name of a header field: " + shown
}

// clean reports whether a value holds no control byte but tabs. It looks at eight
// bytes at a time for one below a space, or a DEL.
func clean(v []byte) bool {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	rest := v
	for len(rest) >= 8 {
		x := binary.LittleEndian.Uint64(rest)
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&high != 0 {
			return httpguts.ValidHeaderFieldValue(string(v)) // exact, and a tab is allowed
		}
		rest = rest[8:]
	}
	for _, c := range rest {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// known looks at the fields that mean something to the codec.
func (p *parser) known(v *cgi.Var) (int, string) {
	switch len(v.Name) {
	case 4:
		if strings.EqualFold(v.Name, "Host") {
			return p.host(v.Value)
		}
	case 6:
		if strings.EqualFold(v.Name, "Expect") {
			p.expects++
			if !strings.EqualFold(v.Value, "100-continue") && p.h.Proto == "HTTP/1.1" {
				return 417, "Expect asks for something unknown"
			}
		}
	case 7:
		p.upgradeTo = p.upgradeTo || strings.EqualFold(v.Name, "Upgrade") && v.Value != ""
	case 9:
		p.forwarded = p.forwarded || isForwarded(v.Name)
	case 10:
		if strings.EqualFold(v.Name, "Connection") {
			p.connection(v.Value)
		}
	case 12:
		if strings.EqualFold(v.Name, "Content-Type") {
			if p.types++; p.types > 1 {
				return 400, "Content-Type comes twice"
			}
		}
	case 14:
		if strings.EqualFold(v.Name, "Content-Length") {
			return p.length(v.Value)
		}
	case 17:
		if strings.EqualFold(v.Name, "Transfer-Encoding") {
			return p.coding(v.Value)
		}
	}
	if v.Name[0]|0x20 == 'x' && !p.forwarded {
		p.forwarded = isForwarded(v.Name)
	}
	return 0, ""
}

func (p *parser) host(v string) (int, string) {
	if p.hosts++; p.hosts > 1 {
		return 400, "Host comes twice"
	}
	if !httpguts.ValidHostHeader(v) {
		return 400, "Host is not a host"
	}
	if p.h.Host == "" { // an absolute target comes first (RFC 9112 section 3.2.2)
		p.h.Host = v
	}
	return 0, ""
}

func (p *parser) length(v string) (int, string) {
	if p.lengths++; p.lengths > 1 {
		return 400, "Content-Length comes twice"
	}
	n, ok := cgi.ParseLength(v)
	if !ok {
		return 400, "Content-Length is not a number"
	}
	p.h.ContentLength = n
	return 0, ""
}

// coding accepts chunked, once, and nothing else.
func (p *parser) coding(v string) (int, string) {
	p.codings++
	if p.codings == 1 && strings.EqualFold(v, "chunked") {
		return 0, ""
	}
	chunked := 0
	for c := range strings.SplitSeq(v, ",") {
		if c = strings.Trim(c, " \t"); strings.EqualFold(c, "chunked") {
			chunked++
		} else if c == "" || !httpguts.ValidHeaderFieldName(c) || chunked > 0 {
			return 400, "Transfer-Encoding is malformed, or chunked is not its last"
		}
	}
	if p.codings > 1 || chunked > 1 {
		return 400, "Transfer-Encoding comes twice"
	}
	return 501, "Transfer-Encoding is not chunked alone"
}

// connection reads the options of a Connection field.
func (p *parser) connection(v string) {
	if v == "keep-alive" || v == "close" { // what fronts send
		p.keep, p.close = p.keep || v == "keep-alive", p.close || v == "close"
		return
	}
	for o := range strings.SplitSeq(v, ",") {
		switch o = strings.Trim(o, " \t"); {
		case strings.EqualFold(o, "close"):
			p.close = true
		case strings.EqualFold(o, "keep-alive"):
			p.keep = true
		case strings.EqualFold(o, "upgrade"):
			p.upgrade = true
		}
	}
}
