// What is asked and what is answered, and the client's side.

package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name is the socket's name in the run folder.
const Name = "control"

// Request is one question.
type Request struct {
	Verb    string `json:"verb"`
	Slot    int    `json:"slot,omitempty"`    // stacks, profile
	Count   int    `json:"count,omitempty"`   // scale
	Seconds int    `json:"seconds,omitempty"` // profile
	Fast    bool   `json:"fast,omitempty"`    // stop
}

// Answer is what came of it.
type Answer struct {
	Status int             `json:"status"`          // exit status of the verb
	Error  string          `json:"error,omitempty"` // one line
	Output []string        `json:"output,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`  // status
	Bytes  []byte          `json:"bytes,omitempty"` // stacks, profile
}

// ErrNotRunning means that nobody listens on the socket.
var ErrNotRunning = errors.New("appd is not running")

// ErrGone means that appd ended before it answered.
var ErrGone = errors.New("appd ended before it answered")

// Call asks the appd whose socket is at path. Nobody there is [ErrNotRunning].
func Call(ctx context.Context, path string, q Request) (Answer, error) {
	conn, _, err := dial(ctx, path)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return Answer{}, err
	}
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return Answer{}, ErrGone
		}
		return Answer{}, err
	}
	var a Answer
	if err := json.Unmarshal(line, &a); err != nil {
		return Answer{}, fmt.Errorf("the answer of appd makes no sense: %w", err)
	}
	return a, nil
}

// dial connects to the socket at path and says whose process listens there.
func dial(ctx context.Context, path string) (*net.UnixConn, *unix.Ucred, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil, ErrNotRunning
	case err != nil:
		return nil, nil, err
	}
	cred, err := peer(conn.(*net.UnixConn))
	if err == nil {
		err = checkServer(path, cred.Uid, os.Geteuid())
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), cred, nil
}

// checkServer lets us believe our own user's appd and root's; root believes all. The
// folder may be the system's temporary one, where anybody can put a socket first.
func checkServer(path string, server uint32, self int) error {
	if self == 0 || server == 0 || int(server) == self {
		return nil
	}
	return fmt.Errorf("user %d listens at %s, which should be an appd of your own", server, path)
}
