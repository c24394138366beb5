// The server's side.

package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"
)

// maxRequest is the longest request in bytes; they are far shorter.
const maxRequest = 4096

// Server listens on a control socket.
type Server struct {
	path string
	self os.FileInfo // of the socket file, to know it again
	ln   *net.UnixListener
}

// Listen makes the socket at path, mode 0600, and puts it in the place of an older
// one in one step.
func Listen(path string) (*Server, error) {
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	os.Remove(temporary)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	s := &Server{path: path, ln: ln}
	if err := s.install(temporary); err != nil {
		ln.Close()
		os.Remove(temporary)
		return nil, err
	}
	return s, nil
}

func (s *Server) install(temporary string) (err error) {
	if err = os.Chmod(temporary, 0o600); err != nil {
		return err
	}
	if s.self, err = os.Lstat(temporary); err != nil {
		return err
	}
	return os.Rename(temporary, s.path)
}

// Serve answers requests until ctx ends; then it removes the socket, unless a
// successor has put its own there, and waits for the answers that are under way.
func (s *Server) Serve(ctx context.Context, answer func(context.Context, Request) Answer) {
	stop := context.AfterFunc(ctx, func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.self) {
			os.Remove(s.path)
		}
		s.ln.Close()
	})
	defer stop()
	var busy sync.WaitGroup
	defer busy.Wait()
	for {
		conn, err := s.ln.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, say
			time.Sleep(50 * time.Millisecond)
			continue
		}
		busy.Go(func() {
			defer conn.Close()
			s.one(ctx, conn, answer)
		})
	}
}

// Vanished says that there is nothing at the path any more: nobody finds us.
func (s *Server) Vanished() bool {
	_, err := os.Lstat(s.path)
	return errors.Is(err, fs.ErrNotExist)
}

// Retire ends Serve when the answers that are under way have been given; another server
// has the path.
func (s *Server) Retire() { s.ln.Close() }

// one serves one connection.
func (s *Server) one(ctx context.Context, conn *net.UnixConn, answer func(context.Context, Request) Answer) {
	if err := checkPeer(conn); err != nil {
		reply(conn, Answer{Status: 1, Error: err.Error()})
		return
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReaderSize(conn, maxRequest).ReadSlice('\n')
	if err != nil {
		return
	}
	var q Request
	if err := json.Unmarshal(line, &q); err != nil {
		reply(conn, Answer{Status: 1, Error: "the request makes no sense: " + err.Error()})
		return
	}
	reply(conn, answer(ctx, q))
}

func reply(conn *net.UnixConn, a Answer) {
	conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	json.NewEncoder(conn).Encode(a) // a client that has left does not want it
}

// checkPeer lets in our own user and root.
func checkPeer(conn *net.UnixConn) error {
	switch cred, err := peer(conn); {
	case err != nil:
		return err
	case cred.Uid != 0 && cred.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("user %d may not steer this appd", cred.Uid)
	}
	return nil
}
