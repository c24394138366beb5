// Names, bytes and sizes of headers and paths, behind every front.

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Sixty kilobytes of headers, and one header of twenty.
func TestHeadersLarge(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		s := echo(t, f.addr, "GET", "/echo", nil, header("X-Big", strings.Repeat("b", 20_000)))
		if got := len(s.Header.Get("X-Big")); got != 20_000 {
			t.Errorf("a header of 20000 bytes arrived with %d", got)
		}
		var many []option
		for i := range 20 {
			many = append(many, header(fmt.Sprintf("X-Many-%d", i), strings.Repeat("m", 3000)))
		}
		s = echo(t, f.addr, "GET", "/echo", nil, many...)
		for i := range 20 {
			if got := len(s.Header.Get(fmt.Sprintf("X-Many-%d", i))); got != 3000 {
				t.Errorf("header %d arrived with %d bytes", i, got)
			}
		}
	}, "NF", "NK", "NX", "NU", "NH1", "NH0", "NFD", "NUD", "CF", "CH")
}

// A head of any size gets an answer, and appd never resets the connection.
func TestHeadersTooLarge(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		var many []option
		for i := range 30 {
			many = append(many, header(fmt.Sprintf("X-Many-%d", i), strings.Repeat("m", 3000)))
		}
		a, err := request(f.addr, "GET", "/echo", nil, many...)
		if err != nil {
			t.Fatal(err)
		}
		if f.protocol != "http" && a.status != 500 { // nginx puts all params into one record
			t.Errorf("status = %d, want nginx's own 500", a.status)
		}
		if f.protocol == "http" && a.status != 200 {
			t.Errorf("status = %d", a.status)
		}
	}, "NF", "NK", "NU", "NH1")
}

// Many lines of headers arrive, or the front refuses them by itself.
func TestHeaderLines(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		for _, n := range []int{80, 1500} {
			var many []option
			for i := range n {
				many = append(many, header(fmt.Sprintf("X-Line-%d", i), "v"))
			}
			a, err := request(f.addr, "GET", "/echo", nil, many...)
			if err != nil && n > 80 {
				continue // the front closed while the client was still sending
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.status != 200 && n > 80 && (a.status == 400 || a.status == 431) {
				continue
			}
			var s seen
			if err := json.Unmarshal(a.body, &s); err != nil {
				t.Fatalf("%d lines: %s: %.200q", n, a.reason, a.body)
			}
			for i := range n {
				if s.Header.Get(fmt.Sprintf("X-Line-%d", i)) != "v" {
					t.Errorf("of %d lines, line %d did not arrive", n, i)
				}
			}
		}
	})
}

// Bytes of a path that are no UTF-8, and an encoded slash.
func TestPathBytes(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		s := echo(t, f.addr, "GET", "/echo/%E9%C3%A9", nil)
		if want := `"/echo/\xe9\u00e9"`; s.Path != want {
			t.Errorf("path = %s, want %s", s.Path, want)
		}
		if f.code == "AU" {
			return // Apache refuses %2F for uwsgi by itself
		}
		s = echo(t, f.addr, "GET", "/echo/a%2Fb", nil)
		switch f.code {
		case "AF": // NoDecode: Apache hands out the path as it was written
			if s.Path != `"/echo/a%2Fb"` && s.Path != `"/echo/a/b"` {
				t.Errorf("path = %s", s.Path)
			}
		default:
			if s.Path != `"/echo/a/b"` {
				t.Errorf("path = %s", s.Path)
			}
		}
		if strings.Contains(f.protocol, "http") && f.code[0] == 'N' && s.RawPath != "/echo/a%2Fb" {
			t.Errorf("RawPath = %q", s.RawPath)
		}
		if !strings.Contains(strings.ToUpper(s.RequestURI), "A%2FB") && f.code != "LH" {
			t.Errorf("RequestURI = %s", s.RequestURI)
		}
	})
}

// A path is decoded once, however often it was encoded.
func TestPathDecodedOnce(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		s := echo(t, f.addr, "GET", "/echo/%2541", nil)
		if s.Path != `"/echo/%41"` {
			t.Errorf("path = %s", s.Path)
		}
	}, "NF", "NK", "NX", "NU", "NH0", "NH1", "NFD", "NUD", "LF", "LU", "HF", "HM", "HH", "CF", "CH", "AH")
}

// Headers that come twice, and one that must not come at all.
func TestHeadersJoined(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		_, r := raw(t, f.addr, "GET /echo HTTP/1.1\r\nHost: front\r\nX-Two: 1\r\nX-Two: 2\r\nCookie: a=1\r\nCookie: b=2\r\n"+
			"X-Empty:\r\nProxy: http://evil/\r\nX_Under: u\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		var s seen
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.Header.Values("X-Two"), ", "); got != "1, 2" {
			t.Errorf("X-Two = %q", got)
		}
		want := "a=1; b=2"
		if f.code[0] == 'A' || f.code == "CF" {
			want = "a=1, b=2" // joined by the front itself, beyond repair
		}
		if got := strings.Join(s.Header.Values("Cookie"), "; "); got != want {
			t.Errorf("Cookie = %q, want %q", got, want)
		}
		if got, there := s.Header["X-Empty"]; !there && f.code[0] != 'L' || there && (len(got) != 1 || got[0] != "") {
			t.Errorf("X-Empty = %q, %v", got, there)
		}
		if got := s.Header.Get("Proxy"); got != "" && f.protocol != "http" {
			t.Errorf("Proxy = %q reached the handler", got)
		}
		if got, there := s.Header["X_under"]; there {
			t.Errorf("X_Under = %q reached the handler", got)
		}
	})
}
