//go:build linux

package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// errTooSlow says that the machine kept a handler from speaking before the timeout.
var errTooSlow = errors.New("the request was over before its handler could say anything")

// The request's own deadlines, through http.ResponseController.
func TestDeadlines(t *testing.T) {
	result := make(chan error, 1)
	h := func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		switch r.URL.Path {
		case "/read":
			rc.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
			_, err := io.ReadAll(r.Body)
			result <- err
		case "/write":
			rc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			var err error
			for p := make([]byte, 1<<20); err == nil; {
				_, err = w.Write(p)
			}
			result <- err
		case "/timeout":
			<-r.Context().Done()
			result <- context.Cause(r.Context())
		case "/none":
			rc.SetWriteDeadline(time.Time{})
			if r.Context().Err() != nil {
				result <- errTooSlow
				return
			}
			select {
			case <-r.Context().Done():
			case <-time.After(500 * time.Millisecond):
			}
			result <- context.Cause(r.Context())
		}
	}
	server := func() *Server { return &Server{Timeout: 200 * time.Millisecond} }
	eachProtocol(t, server, h, func(t *testing.T, st *site, p string) {
		for path, want := range map[string]error{"/read": os.ErrDeadlineExceeded, "/write": os.ErrDeadlineExceeded, "/timeout": cgi.ErrTimeout, "/none": nil} {
			a := ask{method: "POST", path: path, length: 100}
			var c net.Conn
			err := errTooSlow
			for tries := 0; err == errTooSlow && tries < 20; tries++ {
				c = st.dial(t)
				c.Write(append(a.head(p), a.piece(p, []byte("part"))...))
				err = <-result
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", path, err, want)
			}
			if path == "/timeout" {
				if got, err := receiveAnswer(p, bufio.NewReader(c), &a); err != nil || got.status != 503 {
					t.Errorf("nothing was answered in time: %+v, %v", got, err)
				}
			}
			c.Close()
		}
	})
}

// A context that outlives its request is cancelled, and so are its children.
func TestContextEnds(t *testing.T) {
	contexts := make(chan context.Context, 3)
	eachProtocol(t, plainServer, func(w http.ResponseWriter, r *http.Request) {
		child, cancel := context.WithCancel(r.Context())
		defer cancel()
		contexts <- r.Context()
		contexts <- context.WithValue(child, http.NoBody, 1)
		if r.Context().Err() != nil {
			t.Error("cancelled from the beginning")
		}
	}, func(t *testing.T, st *site, p string) {
		st.do(t, p, ask{method: "GET", path: "/"})
		for range 2 {
			ctx := <-contexts
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Errorf("%v", ctx.Err())
			}
		}
	})
}

// By hand: APPD_LISTEN, $PORT, else the usual address.
func TestListenByHand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	t.Setenv("APPD_LISTEN", "unix:"+path)
	l, shown, err := listen()
	if err != nil || shown != "unix:"+path {
		t.Fatalf("over a dead socket: %q, %v", shown, err)
	}
	if _, _, err := listen(); err == nil {
		t.Error("took a socket that somebody listens on")
	}
	l.Close()

	t.Setenv("APPD_LISTEN", "127.0.0.1:0")
	t.Setenv("PORT", "1")
	if l, shown, err = listen(); err != nil || !strings.HasPrefix(shown, "http://127.0.0.1:") {
		t.Fatalf("APPD_LISTEN before PORT: %q, %v", shown, err)
	}
	l.Close()
	t.Setenv("APPD_LISTEN", "")
	t.Setenv("PORT", "0")
	if l, _, err = listen(); err != nil || !strings.HasPrefix(l.Addr().String(), "[::]:") && !strings.HasPrefix(l.Addr().String(), "0.0.0.0:") {
		t.Fatalf("PORT: %v, %v", l, err)
	}
	l.Close()
}
