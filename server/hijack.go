// Hijacking: a handler takes the connection, for WebSockets and the like.

//go:build linux

package server

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"sync"
)

// Hijack implements http.Hijacker for HTTP and uwsgi; FastCGI has no tunnels. The
// handler writes its own "HTTP/1.1 101 ..." to the connection, as with net/http.
// The request's timeout and the server's limits end here; a drain waits for the
// connection to be closed.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	if w.wrote && !w.sent {
		if err := w.FlushError(); err != nil {
			return nil, nil, err
		}
	}
	fd, early, err := w.x.Hijack()
	if err != nil {
		return nil, nil, http.ErrNotSupported
	}
	f := os.NewFile(uintptr(fd), "hijacked")
	c, err := net.FileConn(f) // a duplicate
	f.Close()
	if err != nil {
		w.broken = true
		return nil, nil, err
	}
	w.hijacked = true
	if w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	w.free()
	w.server.busy.Add(1)
	t := &tunnel{Conn: c, early: early, end: w.server.quiet}
	return t, bufio.NewReadWriter(bufio.NewReader(t), bufio.NewWriter(t)), nil
}

// tunnel is a hijacked connection. What had been read from it comes first.
type tunnel struct {
	net.Conn
	mu    sync.Mutex
	early []byte
	end   func()
	once  sync.Once
}

// Read implements net.Conn.
func (t *tunnel) Read(p []byte) (int, error) {
	t.mu.Lock()
	if len(t.early) > 0 {
		n := copy(p, t.early)
		t.early = t.early[n:]
		t.mu.Unlock()
		return n, nil
	}
	t.mu.Unlock()
	return t.Conn.Read(p)
}

// Close implements net.Conn.
func (t *tunnel) Close() error {
	err := t.Conn.Close()
	t.once.Do(t.end)
	return err
}
