//go:build linux

package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Requests that arrive together are answered one after the other, in order, also
// when the first has a body that nobody reads.
func TestPipelining(t *testing.T) {
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	c := st.dial(t)
	var text strings.Builder
	text.WriteString("POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000))
	for i := 1; i < 50; i++ {
		text.WriteString(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i))
	}
	go io.WriteString(c, text.String())
	in := bufio.NewReader(c)
	for i := range 50 {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != fmt.Sprintf("/%d", i) || err != nil {
			t.Fatalf("answer %d: %q, %v", i, body, err)
		}
	}
}

// "100 Continue" is sent when the handler first reads, and not at all otherwise.
func TestExpectContinue(t *testing.T) {
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			io.Copy(w, r.Body)
		} else {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	for path, want := range map[string]int{"/read": 100, "/refuse": 403} {
		c := st.dial(t)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", path)
		in := bufio.NewReader(c)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s: %v, %v, want %d", path, res, err, want)
		}
		if want != 100 {
			continue
		}
		io.WriteString(c, "hello")
		res, err = http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != "hello" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// An answer of unknown length is chunked for HTTP/1.1 and ends with the connection
// for HTTP/1.0.
func TestUnknownLength(t *testing.T) {
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one,")
		w.(http.Flusher).Flush()
		io.WriteString(w, "two")
	})
	for _, version := range []string{"1.0", "1.1"} {
		c := st.dial(t)
		fmt.Fprintf(c, "GET / HTTP/%s\r\nHost: x\r\n\r\n", version)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if chunked := len(res.TransferEncoding) > 0; string(body) != "one,two" || err != nil || chunked != (version == "1.1") {
			t.Errorf("HTTP/%s: %q, %v, %v", version, body, err, res.TransferEncoding)
		}
	}
}
