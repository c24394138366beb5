//go:build linux

package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// A hijacked connection is a connection like any other.
func TestHijackedConn(t *testing.T) {
	for _, p := range []string{"uwsgi", "http"} {
		t.Run(p, func(t *testing.T) {
			given := make(chan net.Conn, 1)
			st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
				}
				if _, err := w.Write([]byte("x")); err != http.ErrHijacked {
					t.Errorf("Write after Hijack: %v", err)
				}
				given <- c
			})
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				c1, err = net.Dial(st.network, st.address)
				if err != nil {
					return nil, nil, nil, err
				}
				a := ask{method: "GET", path: "/", keep: true, header: map[string]string{"Upgrade": "x", "Connection": "Upgrade"}}
				if _, err := c1.Write(a.head(p)); err != nil {
					return nil, nil, nil, err
				}
				c2 = <-given
				return c1, c2, func() { c1.Close(); c2.Close() }, nil
			})
		})
	}
}

// What the client sent behind its request belongs to the tunnel.
func TestHijackKeepsEarlyBytes(t *testing.T) {
	for _, p := range []string{"uwsgi", "http"} {
		t.Run(p, func(t *testing.T) {
			st := serve(t, &Server{Timeout: 500 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
				c, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				late := r.Context().Err() != nil // the machine was busy until the timeout
				io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
				line, err := rw.ReadString('\n')
				if err != nil {
					t.Error(err)
				}
				io.WriteString(rw, "you said "+line)
				rw.Flush()
				select {
				case <-time.After(time.Second): // the timeout has nothing to do with a tunnel
				case <-r.Context().Done():
					if !late {
						t.Errorf("cancelled: %v", context.Cause(r.Context()))
					}
				}
				io.Copy(rw, io.LimitReader(rw, 4))
				rw.Flush()
			})
			c := st.dial(t)
			a := ask{method: "GET", path: "/", keep: true, header: map[string]string{"Upgrade": "x", "Connection": "Upgrade"}}
			c.Write(append(a.head(p), "early\n"...))
			in := bufio.NewReader(c)
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatalf("%v, %v", res, err)
			}
			if line, err := in.ReadString('\n'); line != "you said early\n" {
				t.Fatalf("%q, %v", line, err)
			}
			io.WriteString(c, "late")
			if rest, err := io.ReadAll(in); string(rest) != "late" {
				t.Errorf("%q, %v", rest, err)
			}
		})
	}
}

func TestNoHijackOnFastCGI(t *testing.T) {
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
		if _, _, err := http.NewResponseController(w).Hijack(); err != http.ErrNotSupported {
			t.Errorf("Hijack() = %v", err)
		}
		io.WriteString(w, "still here")
	})
	if a := st.do(t, "fastcgi", ask{method: "GET", path: "/"}); a.body != "still here" {
		t.Errorf("%+v", a)
	}
}

// Shutdown lets requests and tunnels end, answers what waits in the accept queue,
// and closes kept connections.
func TestShutdown(t *testing.T) {
	for _, p := range protocolsToTest {
		t.Run(p, func(t *testing.T) {
			began, finish := make(chan bool), make(chan bool)
			st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					began <- true
					<-finish
				}
				io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
			})
			kept := st.dial(t)
			k := ask{method: "GET", path: "/kept", keep: true}
			kept.Write(append(k.wire(p), closeStdin(p, &k)...))
			if a, err := receiveAnswer(p, bufio.NewReader(kept), &k); err != nil || a.body != "kept" {
				t.Fatalf("%+v, %v", a, err)
			}
			slow := st.dial(t)
			a := ask{method: "GET", path: "/slow"}
			slow.Write(a.wire(p))
			<-began
			down := make(chan error, 1)
			go func() { down <- st.Shutdown(context.Background()) }()
			select {
			case err := <-down:
				t.Fatalf("Shutdown() = %v before the request ended", err)
			case <-time.After(50 * time.Millisecond):
			}
			close(finish)
			if got, err := receiveAnswer(p, bufio.NewReader(slow), &a); err != nil || got.body != "slow" || !got.complete {
				t.Errorf("%+v, %v", got, err)
			}
			if err := <-down; err != nil {
				t.Errorf("Shutdown() = %v", err)
			}
			if _, err := kept.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("kept connection: %v", err)
			}
		})
	}
}

func closeStdin(p string, a *ask) []byte {
	if p == "fastcgi" && a.body == "" {
		return a.piece(p, nil)
	}
	return nil
}

func TestServeWantsASocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := new(Server).Serve(struct{ net.Listener }{l}); err == nil || !strings.Contains(err.Error(), "syscall.Conn") {
		t.Errorf("Serve() = %v", err)
	}
}
