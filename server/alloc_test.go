//go:build linux

package server

import (
	"bufio"
	"io"
	"net/http"
	"runtime"
	"testing"
)

// A FastCGI request with 20 params and a small answer takes at most 20 allocations,
// from the bytes on the socket to the bytes on the socket.
func TestAllocations(t *testing.T) {
	st := serve(t, plainServer(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("hello world\n"))
	})
	a := ask{method: "GET", path: "/", keep: true, header: map[string]string{
		"accept": "*/*", "user-agent": "test", "accept-language": "en", "cookie": "a=b", "referer": "http://shop.example/", "x-a": "b", "x-request-id": "id",
	}}
	if n := len(a.vars()); n != 20 {
		t.Fatalf("%d params", n)
	}
	request := append(a.wire("fastcgi"), closeStdin("fastcgi", &a)...)
	c := st.dial(t)
	in := bufio.NewReaderSize(c, 4096)
	p := make([]byte, 8)
	one := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		for typ := byte(0); typ != 3; {
			if _, err := io.ReadFull(in, p); err != nil {
				t.Fatal(err)
			}
			typ = p[1]
			in.Discard(int(p[4])<<8 + int(p[5]) + int(p[6]))
		}
	}
	for range 100 {
		one()
	}
	const runs = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		one()
	}
	runtime.ReadMemStats(&after)
	n := float64(after.Mallocs-before.Mallocs) / runs
	t.Logf("%.1f allocations, %.0f bytes", n, float64(after.TotalAlloc-before.TotalAlloc)/runs)
	if n > 20 {
		t.Errorf("%.1f allocations a request", n)
	}
}
