// The client's side: what a front does, for tests, benchmarks and probes.

package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/chunks"
)

// AppendRequest appends the request that h describes, with body behind it: chunked
// if h.ContentLength is cgi.UnknownLength, else with a Content-Length when there
// is a body. Host and Connection are written from h unless they stand in h.Vars.
func AppendRequest(dst []byte, h *cgi.Head, body []byte) []byte {
	dst = fmt.Appendf(dst, "%s %s %s\r\n", h.Method, h.Target, h.Proto)
	if _, ok := h.Header("Host"); !ok && h.Host != "" {
		dst = fmt.Appendf(dst, "Host: %s\r\n", h.Host)
	}
	if _, ok := h.Header("Connection"); !ok {
		switch {
		case h.KeepAlive && h.Proto == "HTTP/1.0":
			dst = append(dst, "Connection: keep-alive\r\n"...)
		case !h.KeepAlive && h.Proto != "HTTP/1.0":
			dst = append(dst, "Connection: close\r\n"...)
		}
	}
	for _, v := range h.Vars {
		dst = fmt.Appendf(dst, "%s: %s\r\n", v.Name, v.Value)
	}
	if h.ContentLength == cgi.UnknownLength {
		dst = append(dst, "Transfer-Encoding: chunked\r\n\r\n"...)
		if len(body) > 0 {
			dst = fmt.Appendf(dst, "%x\r\n%s\r\n", len(body), body)
		}
		return append(dst, "0\r\n\r\n"...)
	}
	if len(body) > 0 {
		dst = fmt.Appendf(dst, "Content-Length: %d\r\n", len(body))
	}
	dst = append(dst, "\r\n"...)
	return append(dst, body...)
}

// Answer is one answer as a front reads it. The zero value is ready for the answer
// to a request that was no HEAD; [Answer.Reset] makes it ready for another.
type Answer struct {
	Status int
	Reason string
	Fields cgi.Vars
	Body   []byte

	// Continued says that a 100 Continue came first.
	Continued bool

	// Done says that the answer is complete, KeepAlive that another may follow.
	Done, KeepAlive bool

	head   bool // answers a HEAD
	state  state
	left   int64
	chunks chunks.Reader
	until  bool // the end of the connection ends the body
	buf    []byte
}

// Reset forgets everything but the room for the body. head says that the next
// answer is to a HEAD.
func (a *Answer) Reset(head bool) { *a = Answer{Body: a.Body[:0], head: head} }

// Get returns the value of the first field called name.
func (a *Answer) Get(name string) string {
	for _, v := range a.Fields {
		if strings.EqualFold(v.Name, name) {
			return v.Value
		}
	}
	return ""
}

// Feed decodes bytes of the connection and returns how many belong to this answer.
// An error says what the server did wrong.
func (a *Answer) Feed(p []byte) (n int, err error) {
	for n < len(p) && !a.Done {
		switch a.state {
		case inHead:
			m, err := a.feedHead(p[n:])
			if n += m; err != nil {
				return n, err
			}
		case inBody:
			m := len(p) - n
			if !a.until {
				m = int(min(int64(m), a.left))
				a.left -= int64(m)
				a.Done = a.left == 0
			}
			a.Body = append(a.Body, p[n:n+m]...)
			n += m
		case inChunks:
			m, text := a.feedChunks(p[n:])
			if n += m; text != "" {
				return n, errors.New("http1: the answer has " + text)
			}
		}
	}
	return n, nil
}

// EOF says that the server closed the connection.
func (a *Answer) EOF() error {
	if a.until {
		a.Done = true
	}
	if !a.Done {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (a *Answer) feedHead(p []byte) (int, error) {
	old := len(a.buf)
	a.buf = append(a.buf, p...)
	end := bytes.Index(a.buf, []byte("\r\n\r\n"))
	if end < 0 {
		return len(p), nil
	}
	head := string(a.buf[:end])
	a.buf = a.buf[:0]
	err := a.parse(head)
	if a.Status == 100 && err == nil {
		*a = Answer{Body: a.Body, Continued: true, head: a.head}
	}
	return end + 4 - old, err
}

func (a *Answer) parse(head string) error {
	line, rest, _ := strings.Cut(head, "\r\n")
	version, status, _ := strings.Cut(line, " ")
	if len(status) < 4 || status[3] != ' ' || version != "HTTP/1.1" && version != "HTTP/1.0" {
		return fmt.Errorf("http1: the answer begins with %.40q", line)
	}
	code, err := strconv.Atoi(status[:3])
	if err != nil {
		return fmt.Errorf("http1: the answer begins with %.40q", line)
	}
	a.Status, a.Reason = code, status[4:]
	a.KeepAlive = version == "HTTP/1.1"
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("http1: the answer has a field without a colon: %.40q", line)
		}
		a.Fields = append(a.Fields, cgi.Var{Name: name, Value: strings.Trim(value, " \t")})
	}
	return a.frame()
}

// frame finds out how the body ends.
func (a *Answer) frame() error {
	switch c := a.Get("Connection"); {
	case strings.EqualFold(c, "close"):
		a.KeepAlive = false
	case strings.EqualFold(c, "keep-alive"):
		a.KeepAlive = true
	}
	length, coding := a.Get("Content-Length"), a.Get("Transfer-Encoding")
	switch {
	case a.Status == 100:
	case a.Status == 101:
		a.state, a.until, a.KeepAlive = inBody, true, false
	case a.head, a.Status == 204, a.Status == 304:
		a.Done = true
	case coding != "" && length != "":
		return errors.New("http1: the answer has Content-Length beside Transfer-Encoding")
	case strings.EqualFold(coding, "chunked"):
		a.state = inChunks
	case coding != "":
		return fmt.Errorf("http1: the answer has Transfer-Encoding %q", coding)
	case length != "":
		n, ok := cgi.ParseLength(length)
		if !ok {
			return fmt.Errorf("http1: the answer has Content-Length %q", length)
		}
		a.state, a.left, a.Done = inBody, n, n == 0
	default:
		a.state, a.until, a.KeepAlive = inBody, true, false
	}
	return nil
}

func (a *Answer) feedChunks(p []byte) (int, string) {
	left := a.chunks.Left()
	if left == 0 {
		n, text := a.chunks.Scan(p)
		a.Done = a.chunks.Done()
		return n, text
	}
	n := int(min(int64(len(p)), left))
	a.Body = append(a.Body, p[:n]...)
	a.chunks.Took(n)
	return n, ""
}
