// One request over a connection. This is the only I/O of the package.

package uwsgi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// Do sends one request over conn and reads the answer to the end of the
// connection. That is used up afterwards, close it; set a deadline on it
// beforehand to bound the whole. An answer that the server gives is returned even
// when something is wrong with it, together with the error.
func Do(conn net.Conn, vars []cgi.Var, body []byte) (*cgi.Answer, error) {
	wire, err := AppendRequest(nil, modRequest, vars, body)
	if err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func() { // the server may answer, and stop reading, before it has the body
		_, err := conn.Write(wire)
		sent <- err
	}()
	var c Client
	var answer *cgi.Answer
	if err = read(conn, &c); err == nil {
		answer, err = c.EOF()
	}
	conn.SetWriteDeadline(time.Unix(1, 0)) // nobody waits for the rest of the body
	if werr := <-sent; answer == nil && werr != nil && !errors.Is(werr, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("uwsgi: %w", werr)
	}
	return answer, err
}

// read reads to the end of the connection.
func read(conn net.Conn, c *Client) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		if ferr := c.Feed(buf[:n]); ferr != nil {
			return ferr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("uwsgi: %w", err)
		}
	}
}
