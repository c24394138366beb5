// Requests and their bodies, behind every front.

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What a handler sees of an ordinary GET.
func TestGet(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		port := f.addr[strings.LastIndexByte(f.addr, ':')+1:]
		s := echo(t, f.addr, "GET", "/echo/a%20b?q=a+b%20c&x", nil, header("X-Test", "value"), host("shop.example:"+port))
		if s.Protocol != f.protocol {
			t.Errorf("Protocol = %q, want %q", s.Protocol, f.protocol)
		}
		if s.ContentLength > 0 || s.ContentLength < 0 && f.code != "AF" { // Apache says nothing and ends STDIN in a later packet
			t.Errorf("ContentLength = %d", s.ContentLength)
		}
		if s.Method != "GET" || s.Path != `"/echo/a b"` || s.Query != "q=a+b%20c&x" || s.BodyLen != 0 || s.TLS {
			t.Errorf("request = %+v", s)
		}
		if got := s.Header.Get("X-Test"); got != "value" {
			t.Errorf("X-Test = %q", got)
		}
		// Stock lines of the distribution lose the port or the whole Host.
		want := map[string]string{"NFD": "shop.example", "NUD": "shop.example", "NH0": "localhost"}[f.code]
		if want == "" {
			want = "shop.example:" + port
		}
		if s.Host != want {
			t.Errorf("Host = %q, want %q", s.Host, want)
		}
		if f.code != "NH0" && f.code != "LH" && f.code != "CH" && f.code != "AH" && !strings.HasPrefix(s.RemoteAddr, "127.0.0.1:") {
			t.Errorf("RemoteAddr = %q, want the client's", s.RemoteAddr)
		}
		if f.code == "NF" || f.code == "NU" {
			if got := s.param("PATH_INFO"); !slices.Equal(got, []string{`"/echo/a b"`}) {
				t.Errorf("PATH_INFO = %q", got)
			}
			if got := s.param("REMOTE_ADDR"); !slices.Equal(got, []string{`"127.0.0.1"`}) {
				t.Errorf("REMOTE_ADDR = %q", got)
			}
		}
	})
}

// A hundred megabytes arrive whole, and neither the worker nor its supervisor
// keeps them.
func TestUploadLarge(t *testing.T) {
	size := int64(100 << 20)
	if testing.Short() {
		size = 10 << 20
	}
	sum := sha256.New()
	io.Copy(sum, bulk(size))
	want := hex.EncodeToString(sum.Sum(nil))
	upload := func(t *testing.T, f *front) {
		a := ok(t, f.addr, "POST", "/hash", bulk(size), sized(size))
		var got struct {
			Len, Peak int64
			Sum, Err  string
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Len != size || got.Sum != want || got.Err != "" {
			t.Errorf("the application got %d bytes, digest %.8s, error %q; want %d, %.8s", got.Len, got.Sum, got.Err, size, want)
		}
		if got.Peak > 64<<20 && !racing {
			t.Errorf("the worker used up to %d MiB", got.Peak>>20)
		}
	}
	behind(t, upload)
	behind(t, upload, codesOf[routers]...)
}

// An upload without a length. Some fronts refuse it by themselves.
func TestUploadChunked(t *testing.T) {
	const size = 200_000
	refused := map[string]int{"AU": 411, "LFS": 411, "HF": 400, "HM": 400}
	unknown := map[string]bool{"NX": true, "NH1": true, "HH": true, "AF": true, "AH": true, "CF": true, "CH": true}
	behind(t, func(t *testing.T, f *front) {
		a, err := request(f.addr, "POST", "/echo", bulk(size), chunked)
		if err != nil && refused[f.code] != 0 {
			return // the front closed while the client was still sending
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := refused[f.code]; want != 0 {
			if a.status != want {
				t.Errorf("status = %d, want the front's own %d", a.status, want)
			}
			return
		}
		var s seen
		if err := json.Unmarshal(a.body, &s); err != nil {
			t.Fatalf("%s: %v: %.200q", a.reason, err, a.body)
		}
		if s.BodyLen != size || s.BodyErr != "" {
			t.Errorf("body = %d bytes, error %q", s.BodyLen, s.BodyErr)
		}
		if known := s.ContentLength == size; known == unknown[f.code] {
			t.Errorf("ContentLength = %d", s.ContentLength)
		}
		if te := s.Header.Get("Transfer-Encoding"); te != "" {
			t.Errorf("the header Transfer-Encoding = %q reached the handler", te)
		}
	})
}

// Where the front passes an upload on as it comes, the handler starts at once.
func TestUploadStartsTheHandler(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		key := newKey()
		c, _ := raw(t, f.addr, "POST /hang?key="+key+" HTTP/1.1\r\nHost: front\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("b", 50_000))
		noted(t, shared(t).notes, key, "began")
		c.Close()
	}, "NX", "NH1", "HF", "HM", "HH", "CF", "CH")
}

// Bodies of no length at all, with POST and with PUT.
func TestBodyEmpty(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		for _, head := range []string{
			"POST /echo HTTP/1.1\r\nHost: front\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			"PUT /echo HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n",
		} {
			_, r := raw(t, f.addr, head)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%.4s: %v", head, err)
			}
			var s seen
			if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
				t.Fatalf("%.4s: %s: %v", head, resp.Status, err)
			}
			if s.BodyLen != 0 || s.BodyErr != "" || s.ContentLength > 0 {
				t.Errorf("%.4s: %d bytes, error %q, length %d", head, s.BodyLen, s.BodyErr, s.ContentLength)
			}
		}
	})
}

// "100 Continue" reaches the client, whoever sends it, and then the answer.
func TestExpectContinue(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		c, r := raw(t, f.addr, "POST /echo HTTP/1.1\r\nHost: front\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 100 {
			t.Fatalf("first answer = %v, %v", resp, err)
		}
		io.WriteString(c, "12345")
		for resp.StatusCode == 100 && err == nil { // Caddy sends its own and passes appd's on
			resp, err = http.ReadResponse(r, nil)
		}
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("final answer = %v, %v", resp, err)
		}
		var s seen
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || s.BodyLen != 5 {
			t.Errorf("body = %d bytes, %v", s.BodyLen, err)
		}
	})
}
