// Reading a complete head.

package http1

import (
	"bytes"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/appd-server/appd/protocols/cgi"
)

// Classes of bytes, as httpguts has them.
var (
	nameByte   [256]bool // of a token
	methodByte [256]bool // the same without small letters
	targetByte [256]bool // of a request target; above 0x7f too, because nginx passes raw UTF-8 on
)

func init() {
	for i := range 256 {
		c := byte(i)
		nameByte[c] = httpguts.IsTokenRune(rune(c))
		methodByte[c] = nameByte[c] && (c < 'a' || c > 'z')
		targetByte[c] = c > ' ' && c != 0x7f && c != '#'
	}
}

// parser reads one head.
type parser struct {
	c    *Codec
	raw  []byte // the head
	text string // the same, kept by the request
	h    *cgi.Head

	hosts, lengths, codings, types, expects int
	forwarded                               bool // there are fields of the kind that takes trust
	upgrade, close, keep                    bool // what Connection says
	upgradeTo                               bool
}

// parse reads the head in raw, which holds lines lines and the empty one.
func (c *Codec) parse(raw []byte, lines int, sink cgi.Sink) (*cgi.Head, int, string) {
	p := parser{c: c, raw: raw, text: string(raw), h: cgi.NewHead(cgi.HTTP, lines-1)}
	end := bytes.IndexByte(raw, '\n')
	if status, text := p.requestLine(p.text[:end-1]); status != 0 {
		return nil, status, text
	}
	c.head = p.h.Method == "HEAD"
	for at := end + 1; ; at = end + 1 {
		end = at + bytes.IndexByte(raw[at:], '\n')
		if end == at+1 {
			break
		}
		if status, text := p.field(at, end-1, sink); status != 0 {
			return nil, status, text
		}
	}
	if status, text := p.finish(); status != 0 {
		return nil, status, text
	}
	return p.h, 0, ""
}

// requestLine reads "GET /path HTTP/1.1".
func (p *parser) requestLine(s string) (int, string) {
	h := p.h
	i := 0
	for i < len(s) && methodByte[s[i]] {
		i++
	}
	if i < 3 || i > 20 || i == len(s) || s[i] != ' ' {
		return 400, "the method is not a token of 3 to 20 capital letters"
	}
	h.Method = s[:i]
	rest := s[i+1:]
	i = 0
	for i < len(rest) && targetByte[rest[i]] {
		i++
	}
	if i == 0 || i == len(rest) || rest[i] != ' ' {
		return 400, "the request line is malformed"
	}
	h.Target = rest[:i]
	switch version := rest[i+1:]; {
	case version == "HTTP/1.1", version == "HTTP/1.0":
		h.Proto = version
	case len(version) == 8 && version[:5] == "HTTP/" && digit(version[5]) && version[6] == '.' && digit(version[7]):
		return 505, "the version is " + version
	default:
		return 400, "the request line is malformed"
	}
	return p.target()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// target checks the form of the target against the method (RFC 9112 section 3.2).
func (p *parser) target() (int, string) {
	h := p.h
	t := h.Target
	switch {
	case h.Method == "CONNECT":
		if !authority(t) || strings.IndexByte(t, ':') < 0 {
			return 400, "the target of a CONNECT is not host:port"
		}
		h.Host = t
	case t[0] == '/':
	case t == "*":
		if h.Method != "OPTIONS" {
			return 400, "the target * belongs to OPTIONS alone"
		}
	default:
		scheme, rest, ok := strings.Cut(t, "://")
		if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return 400, "the target is neither a path nor an http address"
		}
		host := rest
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			host = rest[:i]
		}
		if !authority(host) {
			return 400, "the target names no valid host"
		}
		h.Host = host
	}
	return 0, ""
}

// authority reports whether s can be a host with an optional port: no user, no path.
func authority(s string) bool {
	return s != "" && httpguts.ValidHostHeader(s)
}

// finish checks what only the whole head tells.
func (p *parser) finish() (int, string) {
	h := p.h
	http11 := h.Proto == "HTTP/1.1"
	switch {
	case p.hosts == 0 && http11:
		return 400, "HTTP/1.1 without Host"
	case p.codings > 0 && p.lengths > 0:
		return 400, "Content-Length beside Transfer-Encoding"
	case p.codings > 0 && !http11:
		return 400, "Transfer-Encoding in HTTP/1.0"
	case p.codings > 0:
		h.ContentLength = cgi.UnknownLength
	}
	h.KeepAlive = !p.close && (http11 || p.keep)
	h.Expect = p.expects > 0 && http11 && h.ContentLength != 0
	h.Upgrade = p.upgrade && p.upgradeTo && http11 && h.ContentLength == 0
	h.Peer, h.Local = p.c.peer, p.c.local
	if p.forwarded {
		return p.c.config.Trust.apply(h)
	}
	return 0, ""
}
