// What the timeout of a request counts.

package python_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// The clock of a request's timeout stands while its client sends or takes bytes.
func TestTimeoutCountsNoClient(t *testing.T) {
	t.Parallel()
	const limit, size = time.Second, 8 << 20
	s := prepare(t, "", config("app", "threads = 2", fmt.Sprintf("workers = 1\ntimeout = %q\nbody_spool = false", limit)))
	s.write("app.py", fmt.Sprintf(`
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return (b"x" * 65536 for _ in range(%d // 65536)) if environ["PATH_INFO"] == "/big" else [body]
`, size))
	s.begin()
	s.ready(1)
	dial := func(request string) net.Conn {
		c, err := net.Dial("unix", s.dir+"/app.sock")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, request)
		return c
	}
	var both sync.WaitGroup
	both.Go(func() {
		c := dial("POST / HTTP/1.0\r\nContent-Length: 10\r\n\r\nfirst")
		time.Sleep(limit * 5 / 2)
		io.WriteString(c, "secon")
		if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "firstsecon") {
			t.Errorf("a slow upload: %q, %v", got, err)
		}
	})
	both.Go(func() {
		c := dial("GET /big HTTP/1.0\r\n\r\n")
		time.Sleep(limit * 5 / 2)
		if n, err := io.Copy(io.Discard, c); err != nil || n < size {
			t.Errorf("a slow download: %d bytes, %v", n, err)
		}
	})
	both.Wait()
	if strings.Contains(s.log.String(), "stuck") {
		t.Error("the worker was replaced")
	}
}
