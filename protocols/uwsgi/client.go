// The client side: what a front sends and how it reads the answer.

package uwsgi

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/appd-server/appd/protocols/cgi"
)

// ErrTooBig says that vars do not fit a packet, whose length has two bytes.
var ErrTooBig = errors.New("uwsgi: the vars do not fit in 65535 bytes")

const maxVars = 65535

// AppendRequest appends a packet of modifier1 (0 for a request, 100 for a ping)
// with vars, and the body behind it. CONTENT_LENGTH is for the caller to give.
func AppendRequest(dst []byte, modifier1 uint8, vars []cgi.Var, body []byte) ([]byte, error) {
	size := 0
	for i := range vars {
		size += 4 + len(vars[i].Name) + len(vars[i].Value)
	}
	if size > maxVars {
		return dst, ErrTooBig
	}
	dst = append(dst, modifier1, byte(size), byte(size>>8), 0)
	for i := range vars {
		dst = appendVar(dst, vars[i].Name, vars[i].Value)
	}
	return append(dst, body...), nil
}

// A Client is the client side of one connection: it collects the answer in memory.
// The zero Client is ready.
type Client struct {
	// Limit bounds the bytes of the answer, 16 MiB if 0.
	Limit int

	answer []byte
}

// defaultLimit bounds an answer where no limit is set.
const defaultLimit = 16 << 20

// Feed takes the next bytes of the answer.
func (c *Client) Feed(p []byte) error {
	limit := c.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	if len(c.answer)+len(p) > limit {
		return fmt.Errorf("uwsgi: the answer is over %d bytes", limit)
	}
	c.answer = append(c.answer, p...)
	return nil
}

// EOF says that the server ended the connection, which ends the answer, and
// returns it.
func (c *Client) EOF() (*cgi.Answer, error) {
	if len(c.answer) == 0 {
		return nil, errors.New("uwsgi: the connection ended without an answer")
	}
	if !bytes.HasPrefix(c.answer, []byte("HTTP/")) {
		return nil, errors.New("uwsgi: the answer has no status line")
	}
	a, err := cgi.ParseAnswer(c.answer)
	if err != nil {
		err = fmt.Errorf("uwsgi: %w", err)
	}
	return a, err
}
