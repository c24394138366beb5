// The client side: requests with any bytes in them, and whole answers.

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// network is how an address is dialled: paths are Unix sockets.
func network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}

// dial opens a connection with a deadline on everything.
func dial(addr string) (net.Conn, error) {
	c, err := net.DialTimeout(network(addr), addr, limit)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(limit))
}

// answer is what came back.
type answer struct {
	status int
	reason string
	header http.Header
	body   []byte
	cut    error // the body ended too early
	took   time.Duration
}

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header[name] = append(r.Header[name], value) }
}

func host(name string) option { return func(r *http.Request) { r.Host = name } }

// chunked hides the length of the body.
func chunked(r *http.Request) { r.ContentLength = -1 }

// request sends one request on a connection of its own. The target goes out as
// it is written.
func request(addr, method, target string, body io.Reader, options ...option) (*answer, error) {
	r, err := http.NewRequest(method, "http://front/", body)
	if err != nil {
		return nil, err
	}
	r.URL.Opaque = target
	for _, o := range options {
		o(r)
	}
	tr := &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.DialTimeout(network(addr), addr, limit)
		},
	}
	defer tr.CloseIdleConnections()
	began := time.Now()
	resp, err := (&http.Client{
		Transport: tr, Timeout: 2 * limit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, reason: resp.Status, header: resp.Header}
	a.body, a.cut = io.ReadAll(resp.Body)
	a.took = time.Since(began)
	return a, nil
}

// seen is the application's view of a request, as its /echo writes it.
type seen struct {
	Method, Path, RawPath, RequestURI, Query string
	Proto, Host, RemoteAddr                  string
	TLS                                      bool
	ContentLength                            int64
	TransferEncoding                         []string
	Header                                   http.Header
	Params                                   [][2]string
	Protocol                                 string
	BodyLen                                  int64
	BodySum, BodyErr                         string
	Slot, Generation, PID                    int
}

// param returns the values of a param, quoted.
func (s *seen) param(name string) (values []string) {
	for _, p := range s.Params {
		if p[0] == name {
			values = append(values, p[1])
		}
	}
	return values
}

// ok sends a request and wants a complete 200.
func ok(t testing.TB, addr, method, target string, body io.Reader, options ...option) *answer {
	t.Helper()
	a, err := request(addr, method, target, body, options...)
	if err != nil {
		t.Fatalf("%s %.80s: %v", method, target, err)
	}
	if a.status != 200 || a.cut != nil {
		t.Fatalf("%s %.80s = %s, cut %v: %.300q", method, target, a.reason, a.cut, a.body)
	}
	return a
}

// echo sends a request to /echo and returns what the application saw.
func echo(t testing.TB, addr, method, target string, body io.Reader, options ...option) *seen {
	t.Helper()
	a := ok(t, addr, method, target, body, options...)
	var s seen
	if err := json.Unmarshal(a.body, &s); err != nil {
		t.Fatalf("%s %s: %v: %.300q", method, target, err, a.body)
	}
	return &s
}

// raw sends bytes and reads the answer; what follows stays in the reader.
func raw(t testing.TB, addr, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// askTogether asks n times at once who answers.
func askTogether(addr string, n int) iter.Seq[who] {
	var mu sync.Mutex
	var all []who
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			a, err := request(addr, "GET", "/whoami", nil)
			if err != nil || a.status != 200 {
				return
			}
			var w who
			if json.Unmarshal(a.body, &w) != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, w)
		})
	}
	wg.Wait()
	return func(yield func(who) bool) {
		for _, w := range all {
			if !yield(w) {
				return
			}
		}
	}
}

// pattern is an endless body that repeats itself only after a while, so that
// lost or doubled blocks change its digest.
type pattern struct{ at uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at * 0x9E3779B97F4A7C15 >> 56)
		p.at++
	}
	return len(b), nil
}

// bulk is n bytes of the pattern.
func bulk(n int64) io.Reader { return io.LimitReader(&pattern{}, n) }

// sized declares the length of a body that is only a reader.
func sized(n int64) option { return func(r *http.Request) { r.ContentLength = n } }

var keys struct {
	sync.Mutex
	n int
}

// newKey names a request, so that the application can note what became of it.
func newKey() string {
	keys.Lock()
	defer keys.Unlock()
	keys.n++
	return fmt.Sprintf("k%d", keys.n)
}
