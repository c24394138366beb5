// Answers of every kind, behind every front.

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// HEAD, 204 and 304 have no body, whatever the application writes.
func TestNoBody(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		a, err := request(f.addr, "HEAD", "/status?code=200", nil)
		if err != nil || a.status != 200 || len(a.body) != 0 {
			t.Errorf("HEAD = %+v, %v", a, err)
		}
		for _, code := range []string{"204", "304"} {
			a, err := request(f.addr, "GET", "/status?code="+code, nil)
			if err != nil || a.reason[:3] != code || len(a.body) != 0 || a.cut != nil {
				t.Errorf("%s = %+v, %v", code, a, err)
			}
		}
	})
}

// Redirects and errors keep their status, and the protocol's own header stays inside.
func TestStatus(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		for target, want := range map[string]string{
			"/status?code=404": "404 Not Found", "/status?code=418": "418 I'm a teapot",
			"/status?code=302&location=/elsewhere": "302 Found", "/status?code=503": "503 Service Unavailable",
		} {
			a, err := request(f.addr, "GET", target, nil)
			if f.code[0] != 'N' && err == nil {
				want, a.reason = want[:3], a.reason[:3] // the others write reasons of their own
			}
			if err != nil || !strings.EqualFold(a.reason, want) {
				t.Errorf("%s = %+v, %v", target, a, err)
				continue
			}
			if strings.Contains(target, "location") && !strings.HasSuffix(a.header.Get("Location"), "/elsewhere") {
				t.Errorf("Location = %q", a.header.Get("Location"))
			}
			if got := a.header.Get("Status"); got != "" && f.code != "CF" { // Caddy lets it through
				t.Errorf("the client sees Status: %q", got)
			}
		}
	})
}

// An answer that comes before the upload has been read is seen complete, every time.
func TestEarlyAnswer(t *testing.T) {
	runs := 25
	if testing.Short() {
		runs = 3
	}
	behind(t, func(t *testing.T, f *front) {
		want := strings.Repeat("too large ", 20) + "\n"
		for i := range runs {
			const size = 4 << 20
			a, err := request(f.addr, "POST", "/early", bulk(size), sized(size))
			if f.code == "CH" && err != nil {
				continue // Caddy itself closes while its client is still sending
			}
			if err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
			if a.status != 413 || string(a.body) != want || a.header.Get("X-Early") != "yes" {
				t.Fatalf("run %d: %s %.40q, cut %v", i, a.reason, a.body, a.cut)
			}
		}
		// The worker is as good as before.
		ok(t, f.addr, "GET", "/whoami", nil)
	})
}

// A body that is shorter than its length never looks complete.
func TestShortBody(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		defer f.settle(t)
		a, err := request(f.addr, "GET", "/short", nil)
		if err != nil {
			return // the front gave the client no answer at all: it is not taken for complete
		}
		if a.status == 200 && a.cut == nil && f.code != "AF" { // Apache takes the length away
			t.Errorf("a cut answer looks complete: %+v", a)
		}
	})
}

// Not a byte goes out beyond the length.
func TestLongBody(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		a := ok(t, f.addr, "GET", "/long", nil)
		if string(a.body) != "123" {
			t.Errorf("body = %q, want 123", a.body)
		}
	})
}

func TestCookies(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		a := ok(t, f.addr, "GET", "/cookies", nil, header("Cookie", "sent=yes"))
		if got := a.header.Values("Set-Cookie"); len(got) != 2 || got[0] != "one=1" || got[1] != "two=2" {
			t.Errorf("Set-Cookie = %q", got)
		}
		if got := strings.Join(a.header.Values("Vary"), ", "); got != "Accept, Cookie" && got != "Accept,Cookie" {
			t.Errorf("Vary = %q", got)
		}
		if string(a.body) != "sent=yes" {
			t.Errorf("Cookie = %q", a.body)
		}
	})
}

// The pieces of a stream arrive one by one, where the front is told to pass them on:
// the application makes the next one when the last one has arrived.
func TestStreamed(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		const pieces = 4
		key := newKey()
		_, r := raw(t, f.addr, fmt.Sprintf("GET /stream?n=%d&key=%s&sse&accel HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n", pieces, key))
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewReader(resp.Body)
		for i := range pieces {
			if i > 0 {
				shared(t).release(t, key, fmt.Sprint("piece-", i))
			}
			want := fmt.Sprintf("data: piece %d\n\n", i)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
				t.Fatalf("piece %d: %q, %v", i, got, err)
			}
		}
		if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
			t.Errorf("after the last piece: %q, %v", rest, err)
		}
	}, "NF", "NK", "NX", "NU", "NH0", "NH1", "HF", "HM", "HH", "AF", "AH", "LFS", "CF", "CH", "UR", "FR")
}

// Downloads are whole, with and without a length.
func TestDownload(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		want := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
		for _, target := range []string{"/download?mb=5&length=1", "/download?mb=5&length=0"} {
			a := ok(t, f.addr, "GET", target, nil)
			if !bytes.Equal(a.body, want) {
				t.Errorf("%s: %d bytes differ from what was sent", target, len(a.body))
			}
		}
	})
}

// An answer that starts before the upload was read deadlocks nobody.
func TestAnswerWhileUploading(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		const up, down = 3 << 20, 2 << 20
		a, err := request(f.addr, "POST", "/unread?n=2097152", bulk(up), sized(up))
		if f.code == "CH" && (err != nil || a.cut != nil) {
			return // Caddy itself closes while its client is still sending
		}
		if err != nil || a.status != 200 || a.cut != nil {
			t.Fatalf("answer = %+v, %v", a, err)
		}
		if len(a.body) != down {
			t.Errorf("%d bytes, want %d", len(a.body), down)
		}
	})
}

// Answer headers of the sizes that the generated configuration has room for.
func TestAnswerHeaderSize(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		a := ok(t, f.addr, "GET", "/headers?n=3000", nil)
		if got := len(a.header.Get("X-Long")); got != 3000 {
			t.Errorf("X-Long arrived with %d bytes", got)
		}
	})
	behind(t, func(t *testing.T, f *front) {
		a := ok(t, f.addr, "GET", "/headers?n=12000", nil)
		if got := len(a.header.Get("X-Long")); got != 12000 {
			t.Errorf("X-Long arrived with %d bytes", got)
		}
	}, "NF", "NK", "NX", "NU", "NH1")
	behind(t, func(t *testing.T, f *front) {
		a, err := request(f.addr, "GET", "/headers?n=8300", nil)
		if err != nil || a.status != 502 && a.status != 500 {
			t.Errorf("answer = %+v, %v", a, err)
		}
	}, "NFD", "NUD", "NH0", "AF", "AU")
	shared(t).awaitLog(t, "answer head of", "nginx takes 4096")
}

// No 103 reaches a front that would take it for the final answer.
func TestEarlyHints(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		a := ok(t, f.addr, "GET", "/hints", nil)
		if string(a.body) != "after the hints" {
			t.Errorf("body = %q", a.body)
		}
	})
}
