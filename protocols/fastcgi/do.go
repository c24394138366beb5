// One request over a connection. This is the only I/O of the package.

package fastcgi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// Do sends one request over conn and reads the answer. The connection is used up
// afterwards, close it; set a deadline on it beforehand to bound the whole. An
// answer that the server gives is returned even when something is wrong with it,
// together with the error.
func Do(conn net.Conn, params []cgi.Var, body []byte) (*Answer, error) {
	sent := make(chan error, 1)
	go func() { // the server may answer, and stop reading, before it has the body
		_, err := conn.Write(AppendRequest(nil, 1, false, params, body))
		sent <- err
	}()
	var c Client
	answer, err := read(conn, &c)
	conn.SetWriteDeadline(time.Unix(1, 0)) // nobody waits for the rest of the body
	if werr := <-sent; answer == nil && werr != nil && !errors.Is(werr, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("fastcgi: %w", werr)
	}
	return answer, err
}

// read reads up to the end of the next answer.
func read(conn net.Conn, c *Client) (*Answer, error) {
	buf := make([]byte, 0, 4<<10)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		k, ferr := c.Feed(buf)
		if ferr != nil {
			return nil, ferr
		}
		if a := c.Next(); a != nil {
			return a, a.Err
		}
		buf = buf[:copy(buf, buf[k:])]
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("fastcgi: %w: the connection ended before END_REQUEST", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return nil, fmt.Errorf("fastcgi: %w", err)
		}
	}
}
