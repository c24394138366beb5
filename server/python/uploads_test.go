// Large uploads to an application that takes its time, or takes nothing.

package python_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/uwsgi"
)

const slowReader = `
import os, time
def application(environ, start_response):
    size, gate = 0, environ["QUERY_STRING"]
    if gate:
        while not os.path.exists(gate):
            time.sleep(0.01)
    else:
        while data := environ["wsgi.input"].read(1 << 20):
            size += len(data)
            time.sleep(0.002)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"size %d;" % size]
`

// The worker's memory is bounded whatever arrives: what is not read yet stays in the
// kernel, with its sender, or in a file.
func TestLargeUploadsTakeLittleMemory(t *testing.T) {
	size := 100 << 20
	if testing.Short() {
		size = 40 << 20
	}
	for _, spool := range []bool{true, false} {
		w := start(t, options{files: map[string]string{"app.py": slowReader}, settings: map[string]any{"body_spool": spool, "worker_tmp_dir": t.TempDir()}})
		for _, protocol := range []string{"http", "uwsgi", "fastcgi"} {
			for _, gate := range []string{"", filepath.Join(t.TempDir(), "gate")} {
				t.Run(fmt.Sprintf("%s, body_spool %v, read %v", protocol, spool, gate == ""), func(t *testing.T) {
					w.peak(t)
					before := rss(t, w.cmd.Process.Pid)
					u := w.upload(t, protocol, gate, size)
					want := fmt.Sprintf("size %d;", size)
					if gate != "" {
						u.stalls()
						touch(t, gate)
						want = "size 0;"
					}
					if got := <-u.answer; !strings.Contains(got, want) {
						t.Errorf("%.300q", got)
					}
					if grown := w.peak(t) - before; grown > 16<<10 {
						t.Errorf("the worker grew by %d KiB", grown)
					}
				})
			}
		}
	}
}

// peak returns the most memory that the worker had since the last call, in KiB.
func (w *worker) peak(t *testing.T) (kib int) {
	t.Helper()
	name := fmt.Sprintf("/proc/%d/", w.cmd.Process.Pid)
	b, err := os.ReadFile(name + "status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "VmHWM: %d", &kib)
	}
	if err := os.WriteFile(name+"clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return kib
}

// upload is one under way.
type upload struct {
	t      *testing.T
	sent   atomic.Int64
	over   atomic.Bool
	answer chan string
}

func (w *worker) upload(t *testing.T, protocol, query string, size int) *upload {
	t.Helper()
	vars := []cgi.Var{
		{Name: "REQUEST_METHOD", Value: "POST"}, {Name: "PATH_INFO", Value: "/"}, {Name: "REQUEST_URI", Value: "/"}, {Name: "QUERY_STRING", Value: query},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"}, {Name: "CONTENT_LENGTH", Value: fmt.Sprint(size)},
	}
	var request io.Reader
	switch body := make([]byte, size); protocol {
	case "http":
		request = io.MultiReader(strings.NewReader(fmt.Sprintf("POST /?%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n", query, size)), bytes.NewReader(body))
	case "uwsgi":
		packet, err := uwsgi.AppendRequest(nil, 0, vars, nil)
		if err != nil {
			t.Fatal(err)
		}
		request = io.MultiReader(bytes.NewReader(packet), bytes.NewReader(body))
	case "fastcgi":
		request = bytes.NewReader(fastcgi.AppendRequest(nil, 1, false, vars, body))
	}
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(60 * time.Second))
	u := &upload{t: t, answer: make(chan string, 1)}
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := request.Read(buffer)
			if err != nil {
				break
			}
			n, err = c.Write(buffer[:n])
			u.sent.Add(int64(n))
			if err != nil {
				break
			}
		}
		u.over.Store(true)
	}()
	go func() {
		b, _ := io.ReadAll(c)
		u.answer <- string(b)
	}()
	return u
}

// stalls waits until nothing of the upload moves any more.
func (u *upload) stalls() {
	u.t.Helper()
	last, still := int64(-1), 0
	for deadline := time.Now().Add(60 * time.Second); still < 20 && !u.over.Load(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			u.t.Fatal("the upload goes on and on")
		}
		if now := u.sent.Load(); now != last || now == 0 {
			last, still = now, 0
		} else {
			still++
		}
	}
}
