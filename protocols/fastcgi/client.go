// The client side: what a front sends and how it reads the answers.

package fastcgi

import (
	"fmt"
	"io"

	"github.com/appd-server/appd/protocols/cgi"
)

// AppendRequest appends a whole request: BEGIN_REQUEST for a responder, params,
// and body, each stream with its end. keep asks for the connection to stay.
// Params are cut into records wherever they are full, in the middle of a pair too.
func AppendRequest(dst []byte, id uint16, keep bool, params []cgi.Var, body []byte) []byte {
	var flags byte
	if keep {
		flags = flagKeepConn
	}
	dst = appendRecord(dst, typeBeginRequest, id, []byte{0, roleResponder, flags, 0, 0, 0, 0, 0})
	var block []byte
	for i := range params {
		block = appendPair(block, params[i].Name, params[i].Value)
	}
	dst = appendStream(dst, typeParams, id, block)
	dst = appendHeader(dst, typeParams, id, 0)
	dst = appendStream(dst, typeStdin, id, body)
	return appendHeader(dst, typeStdin, id, 0)
}

// AppendAbortRequest appends ABORT_REQUEST.
func AppendAbortRequest(dst []byte, id uint16) []byte {
	return appendHeader(dst, typeAbortRequest, id, 0)
}

// Answer is what became of one request.
type Answer struct {
	cgi.Answer
	ID             uint16
	Stderr         []byte
	AppStatus      uint32
	ProtocolStatus uint8 // RequestComplete, or why there is no answer
	Err            error // what is wrong with the answer itself
}

// A Client is the client side of one connection: it decodes what a server sends,
// and collects every answer in memory. The zero Client is ready.
type Client struct {
	// Limit bounds the bytes of one answer, 16 MiB if 0.
	Limit int

	open  map[uint16]*pending
	ended []*Answer
}

// pending is an answer that is still coming.
type pending struct {
	stdout, stderr []byte
	closed         bool // STDOUT ended
}

// defaultLimit bounds an answer where no limit is set.
const defaultLimit = 16 << 20

// Feed decodes whole records from p and returns how many bytes that was. An error
// says that the server broke the protocol.
func (c *Client) Feed(p []byte) (n int, err error) {
	for len(p)-n >= headerLen {
		rec := parseHeader(p[n:])
		if p[n] != version {
			return n, fmt.Errorf("fastcgi: version %d in an answer", p[n])
		}
		end := n + headerLen + rec.content + rec.padding
		if len(p) < end {
			break
		}
		if err := c.record(rec, p[n+headerLen:n+headerLen+rec.content]); err != nil {
			return n, fmt.Errorf("fastcgi: %w", err)
		}
		n = end
	}
	return n, nil
}

// record takes one record of the server.
func (c *Client) record(rec header, content []byte) error {
	if rec.typ == typeGetValuesResult || rec.typ == typeUnknownType {
		return nil // nobody waits for it
	}
	if c.open == nil {
		c.open = make(map[uint16]*pending)
	}
	a := c.open[rec.id]
	if a == nil {
		a = new(pending)
		c.open[rec.id] = a
	}
	switch rec.typ {
	case typeStdout:
		if a.closed && rec.content > 0 {
			return fmt.Errorf("STDOUT of request %d after its end", rec.id)
		}
		a.stdout = append(a.stdout, content...)
		a.closed = rec.content == 0
	case typeStderr:
		a.stderr = append(a.stderr, content...)
	case typeEndRequest:
		if len(content) != endLen {
			return fmt.Errorf("END_REQUEST of %d bytes", len(content))
		}
		c.end(rec.id, a, content)
	default:
		return fmt.Errorf("a record of type %d in an answer", rec.typ)
	}
	limit := c.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	if len(a.stdout)+len(a.stderr) > limit {
		return fmt.Errorf("the answer to request %d is over %d bytes", rec.id, limit)
	}
	return nil
}

// end turns what was collected into an answer.
func (c *Client) end(id uint16, a *pending, content []byte) {
	delete(c.open, id)
	answer := &Answer{
		ID:             id,
		Stderr:         a.stderr,
		AppStatus:      uint32(content[0])<<24 | uint32(content[1])<<16 | uint32(content[2])<<8 | uint32(content[3]),
		ProtocolStatus: content[4],
	}
	got, err := cgi.ParseAnswer(a.stdout)
	if got != nil {
		answer.Answer = *got
	}
	switch {
	case answer.ProtocolStatus != RequestComplete && len(a.stdout) == 0:
		err = fmt.Errorf("fastcgi: request %d was refused with status %d", id, answer.ProtocolStatus)
	case err != nil:
		err = fmt.Errorf("fastcgi: request %d: %w", id, err)
	case !a.closed:
		err = fmt.Errorf("fastcgi: request %d: %w: END_REQUEST before the end of STDOUT", id, io.ErrUnexpectedEOF)
	}
	answer.Err = err
	c.ended = append(c.ended, answer)
}

// Next returns the next answer that is there in full, in the order of their ends,
// or nil.
func (c *Client) Next() *Answer {
	if len(c.ended) == 0 {
		return nil
	}
	a := c.ended[0]
	c.ended = c.ended[1:]
	return a
}
