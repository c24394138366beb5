// The rules of answers and bodies over each protocol, behind nginx.

package python_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRulesOverEachProtocol(t *testing.T) {
	s := open(t, "testdata", config("suite:application", "", "workers = 2"), "")
	file := filepath.Join(t.TempDir(), "file")
	data := bytes.Repeat([]byte("sendfile "), 40000)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range protocols {
		t.Run(p, func(t *testing.T) {
			c := s.client(p)
			for range 2 { // again on connections that are kept
				for _, code := range []int{204, 304} {
					for _, pieces := range []string{"", "&pieces"} {
						r, body := fetch(t, c, "GET", fmt.Sprint("/status?", code, pieces), nil)
						if r.StatusCode != code || body != "" || r.Header.Get("X-Kept") != "yes" || code == 204 && r.Header.Get("Content-Length") != "" {
							t.Errorf("%d%s: %s %q %q", code, pieces, r.Status, body, r.Header)
						}
					}
				}
				for path, want := range map[string]string{
					"/status?404": "not allowed", "/status?200&pieces": "not allowed", "/write": "written returned", "/hints": "after hints", "/longer": "1234", "/generator": "item 0\nitem 1\nitem 2\n",
				} {
					if _, body := fetch(t, c, "GET", path, nil); body != want {
						t.Errorf("%s: %q, want %q", path, body, want)
					}
					if r, body := fetch(t, c, "HEAD", path, nil); body != "" || path == "/longer" && r.ContentLength != 4 {
						t.Errorf("HEAD %s: %q, length %d", path, body, r.ContentLength)
					}
				}
				if r, _ := fetch(t, c, "GET", "/many", nil); r.StatusCode != 201 || len(r.Header["Set-Cookie"]) != 2 || r.Header.Get("X-Odd") != "\xe9" {
					t.Errorf("headers: %s %q", r.Status, r.Header)
				}
			}
			short, err := c.Get("http://site.example/shorter")
			if err == nil {
				_, err = io.Copy(io.Discard, short.Body)
				short.Body.Close()
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) { // a client that waits for the rest would be a failure too
				t.Errorf("a short answer: %v", err)
			}
			if r, body := fetch(t, c, "POST", "/unread", bytes.NewReader(make([]byte, 5<<20))); r.StatusCode != 413 || body != strings.Repeat("too large ", 20) {
				t.Errorf("an upload that is refused: %s, %d bytes", r.Status, len(body))
			}
			if r, body := fetch(t, c, "GET", "/unread_file?"+file, nil); body != string(data[3:100003]) {
				t.Errorf("a file: %s, %d bytes", r.Status, len(body))
			}
			for name, body := range map[string]io.Reader{"empty": nil, "sized": strings.NewReader("a=1&b=2"), "chunked": io.MultiReader(strings.NewReader("a=1&"), strings.NewReader("b=2"))} {
				want := "7 "
				if body == nil {
					want = "0 "
				}
				if r, got := fetch(t, c, "POST", "/read", body); r.StatusCode != 200 || !strings.HasPrefix(got, want) {
					t.Errorf("%s body: %s %q", name, r.Status, got)
				}
			}
			names := "REQUEST_METHOD,SCRIPT_NAME,PATH_INFO,QUERY_STRING,HTTP_X_TWO,HTTP_PROXY,CONTENT_LENGTH,appd.protocol"
			q := request("GET", "/environ/%E9%2Fa%20b?"+names, nil, "X-Two", "1", "Proxy", "evil")
			q.Header.Add("X-Two", "2")
			r, err := c.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(r.Body)
			r.Body.Close()
			spoken, _, _ := strings.Cut(p, "-")
			want := "REQUEST_METHOD=GET\nSCRIPT_NAME=\nPATH_INFO=/environ/\xe9/a b\nQUERY_STRING=" + names + "\nHTTP_X_TWO=1, 2\nHTTP_PROXY=<none>\nCONTENT_LENGTH=\nappd.protocol=" + spoken
			if string(got) != want {
				t.Errorf("environ\n%q, want\n%q", got, want)
			}
		})
	}
	s.logged("closed at 3;")
	if all, unread := strings.Count(s.log.String(), "closed at "), strings.Count(s.log.String(), "closed at 3;"); unread != len(protocols) || all != unread {
		t.Errorf("%d files were closed, %d of them where they were opened", all, unread)
	}
	if n := strings.Count(s.ask("/close_count"), "\r\n\r\n"); n != 1 {
		t.Errorf("%d ends of a head", n)
	}
}

// fetch sends a request and returns the answer with its whole body.
func fetch(t *testing.T, c *http.Client, method, target string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := c.Do(request(method, target, body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
	}
	return r, string(b)
}
