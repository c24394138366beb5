// The first bytes, looked at.

package detect

import "github.com/appd-server/appd/protocols/cgi"

// Result is what the first bytes of a connection say.
type Result struct {
	// Protocol is the protocol, cgi.Auto when it cannot be told yet or is none that
	// we speak.
	Protocol cgi.Protocol

	// Preamble says that a PROXY preamble stands before it. Protocol is then HTTP,
	// whose codec reads it.
	Preamble bool

	// Foreign names a protocol that we do not speak, for the log.
	Foreign string

	// More says that these bytes do not suffice.
	More bool
}

// Detect says what p, the first bytes of a connection, is the beginning of.
func Detect(p []byte) Result {
	if len(p) == 0 {
		return Result{More: true}
	}
	c := p[0]
	switch {
	case c == 1:
		return record(p)
	case 'A' <= c && c <= 'Z':
		return capital(p)
	case c == '\r':
		return crlf(p)
	case c == 0x16, c == 0x12, c == 0x80:
		return binary(p)
	case '0' <= c && c <= '9':
		return netstring(p)
	case 'a' <= c && c <= 'z' && len(p) < 2:
		return Result{More: true}
	case 'a' <= c && c <= 'z' && letter(p[1]):
		return Result{Protocol: cgi.HTTP} // a method in small letters, which is refused
	case modifier[c]:
		return Result{Protocol: cgi.UWSGI}
	}
	return Result{Foreign: "an unknown protocol"}
}

// record looks for a FastCGI record: version 1 and a type from 1 to 11.
func record(p []byte) Result {
	switch {
	case len(p) < 2:
		return Result{More: true}
	case p[1] >= 1 && p[1] <= 11:
		return Result{Protocol: cgi.FastCGI}
	}
	return Result{Foreign: "an unknown protocol"}
}

// The texts that begin with a capital letter and are not a method.
const (
	http2   = "PRI * HTTP/2.0\r\n"
	proxyV1 = "PROXY "
	ssh     = "SSH-"
)

// proxyV2 is the signature of the binary PROXY preamble.
const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"

func capital(p []byte) Result {
	switch {
	case starts(p, proxyV1):
		return Result{Protocol: cgi.HTTP, Preamble: true, More: len(p) < len(proxyV1)}.orMore()
	case starts(p, http2):
		return Result{Foreign: "HTTP/2", More: len(p) < len(http2)}.orMore()
	case starts(p, ssh):
		return Result{Foreign: "SSH", More: len(p) < len(ssh)}.orMore()
	}
	return Result{Protocol: cgi.HTTP}
}

// orMore forgets what is not certain yet.
func (r Result) orMore() Result {
	if r.More {
		return Result{More: true}
	}
	return r
}

// crlf tells the PROXY signature from an empty line before a request line.
func crlf(p []byte) Result {
	switch {
	case starts(p, proxyV2):
		return Result{Protocol: cgi.HTTP, Preamble: true, More: len(p) < len(proxyV2)}.orMore()
	case starts(p, "\r\n"):
		return Result{Protocol: cgi.HTTP}
	}
	return Result{Foreign: "an unknown protocol"}
}

// binary names protocols with a fixed beginning that uwsgi modifiers could be
// mistaken for: a TLS record holds a version 3.x behind its type.
func binary(p []byte) Result {
	if len(p) < 3 {
		return Result{More: true}
	}
	switch {
	case p[0] == 0x16 && p[1] == 3 && p[2] <= 4:
		return Result{Foreign: "TLS"}
	case p[0] == 0x80 && p[2] == 1:
		return Result{Foreign: "SSL 2"}
	case p[0] == 0x12 && p[1] == 0x34:
		return Result{Foreign: "AJP"}
	case modifier[p[0]]:
		return Result{Protocol: cgi.UWSGI}
	}
	return Result{Foreign: "an unknown protocol"}
}

// netstring tells SCGI, "70:CONTENT_LENGTH...", from uwsgi modifiers that are
// digits.
func netstring(p []byte) Result {
	for i, c := range p {
		switch {
		case c == ':' && i > 0:
			return Result{Foreign: "SCGI"}
		case c >= '0' && c <= '9' && i < 9:
		case i == 1 && modifier[p[0]]:
			return Result{Protocol: cgi.UWSGI}
		default:
			return Result{Foreign: "an unknown protocol"}
		}
	}
	return Result{More: true}
}

// starts reports whether p and text agree as far as both go.
func starts(p []byte, text string) bool {
	n := min(len(p), len(text))
	return string(p[:n]) == text[:n]
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// modifier holds the modifiers that uWSGI has given a meaning. Those that are
// capital letters, or mean anything else above, never come here.
var modifier = [256]bool{
	0: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true, 12: true, 14: true, 15: true,
	16: true, 17: true, 18: true, 19: true, 20: true, 22: true, 23: true, 24: true, 25: true, 26: true, 27: true,
	28: true, 29: true, 30: true, 31: true, 32: true, 33: true, 48: true, 95: true, 96: true, 97: true, 98: true,
	99: true, 100: true, 101: true, 109: true, 110: true, 111: true, 123: true, 173: true, 200: true, 224: true,
	255: true,
}
