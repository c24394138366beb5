// Finding the end of a head.

package http1

import (
	"bytes"

	"github.com/appd-server/appd/protocols/cgi"
)

// scan is how far a head has been looked at: line by line, so that one which comes
// in many pieces is not looked at again from its beginning.
type scan struct {
	line  int // where the line begins that is not complete yet
	lines int // complete lines before it, the request line among them
}

// feedHead looks for a head in p[n:], behind what came before it, and hands it out.
func (c *Codec) feedHead(p []byte, n int, sink cgi.Sink) (int, error) {
	in := p[n:]
	if len(c.partial) == 0 {
		if !c.blank && len(in) > 0 && in[0] == '\r' {
			// RFC 9112 section 2.2: some old clients end a body with a line more.
			switch {
			case len(in) == 1:
				return n, nil
			case in[1] == '\n':
				c.blank = true
				return n + 2, nil
			}
		}
		if len(in) == 0 {
			return n, nil
		}
		if !methodByte[in[0]] {
			return n, c.refuse(400, "the first byte is not that of a method", sink)
		}
	}
	old := len(c.partial)
	if old > 0 {
		c.partial = append(c.partial, in...)
		in = c.partial
	}
	end, status, text := c.scan.find(in, c.config)
	if status != 0 {
		return n, c.refuse(status, text, sink)
	}
	if end == 0 {
		if old == 0 {
			c.partial = append(make([]byte, 0, max(512, 2*len(in))), in...)
		}
		return len(p), nil
	}
	lines := c.scan.lines
	c.scan, c.partial = scan{}, nil
	h, status, text := c.parse(in[:end], lines, sink)
	if status != 0 {
		return n, c.refuse(status, text, sink)
	}
	c.hand(h, sink)
	return n + end - old, nil
}

// find returns where the head in p ends, 0 if it does not yet, or why it is
// refused.
func (s *scan) find(p []byte, c *Config) (end, status int, text string) {
	for {
		i := bytes.IndexByte(p[s.line:], '\n')
		size := i - 1
		if i < 0 {
			size = len(p) - s.line - 1 // the last byte may be the CR
		}
		switch {
		case s.lines == 0 && size > c.line():
			return 0, 414, "the request line is too long"
		case s.lines > 0 && size > c.fieldSize():
			return 0, 431, "a header field is too long"
		case s.line+size > maxHead:
			return 0, 431, "the head is too long"
		case i < 0:
			return 0, 0, ""
		case i == 0 || p[s.line+i-1] != '\r':
			return 0, 400, "a line ends with LF alone"
		}
		s.line += i + 1
		if size == 0 {
			return s.line, 0, ""
		}
		s.lines++
		if s.lines-1 > c.fields() {
			return 0, 431, "too many header fields"
		}
	}
}
