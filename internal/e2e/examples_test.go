// The example that `make run` serves, behind the nginx that appd manages.

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/websocket"
)

// startHello runs examples/hello from a copy of its configuration: the run folder,
// with its socket, is the test's own.
func startHello(t *testing.T) (p *process, ports map[string]string) {
	t.Helper()
	need(t, "nginx")
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(repo, "examples/hello/appd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, "hello")
	conf := strings.Replace(string(text), `go  = "."`, fmt.Sprintf("go = \"./examples/hello\"\n  chdir = %q", repo), 1) + fmt.Sprintf("\nrun_dir = %q\n", filepath.Join(dir, "run"))
	ports = map[string]string{"fastcgi": freePort(t), "uwsgi": freePort(t), "http": freePort(t)}
	env := []string{"HELLO_FASTCGI=" + ports["fastcgi"], "HELLO_UWSGI=" + ports["uwsgi"], "HELLO_HTTP=" + ports["http"]}
	p = launch(t, t.Name(), env, binary(t, "appd"), "-c", write(t, filepath.Join(dir, "appd.hcl"), conf))
	p.awaitLog(t, "nginx ready") // somebody listens before that, for a moment: nginx -t binds its addresses
	return p, ports
}

func TestHello(t *testing.T) {
	_, ports := startHello(t)
	for protocol, port := range ports {
		addr := "127.0.0.1:" + port
		page := string(ok(t, addr, "GET", "/", nil, host("shop.example")).body)
		for _, want := range []string{`<b class="` + protocol + `">`, "shop.example", "REMOTE_ADDR", `data-port="` + port + `"`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %s", protocol, want)
			}
		}
		for _, asset := range []string{"/assets/style.css", "/assets/script.js"} {
			ok(t, addr, "GET", asset, nil)
		}
		uploadToHello(t, protocol, addr)
		_, r := raw(t, addr, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, err := http.ReadResponse(r, nil); err != nil || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: /events = %v, %v", protocol, resp, err)
		}
		if protocol != "fastcgi" {
			talkToHello(t, protocol, addr)
		}
		if a, err := request(addr, "GET", "/panic", nil); err != nil || a.status != 500 {
			t.Errorf("%s: /panic = %+v, %v", protocol, a, err)
		}
	}
}

// uploadToHello sends a file with the page's form.
func uploadToHello(t *testing.T, protocol, addr string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "f.txt")
	if err != nil {
		t.Fatal(err)
	}
	part.Write([]byte("abc"))
	w.Close()
	a := ok(t, addr, "POST", "/upload", &form, header("Content-Type", w.FormDataContentType()))
	var got struct {
		Bytes            int64
		SHA256, Protocol string
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Bytes != 3 || !strings.HasPrefix(got.SHA256, "ba7816bf") || got.Protocol != protocol {
		t.Errorf("%s: upload = %+v", protocol, got)
	}
}

// talkToHello uses the WebSocket.
func talkToHello(t *testing.T, protocol, addr string) {
	t.Helper()
	ws, err := websocket.Dial("ws://"+addr+"/socket", "", "http://"+addr+"/")
	if err != nil {
		t.Fatalf("%s: %v", protocol, err)
	}
	defer ws.Close()
	var got string
	if err := websocket.Message.Send(ws, "ping"); err != nil {
		t.Fatal(err)
	}
	if err := websocket.Message.Receive(ws, &got); err != nil || !strings.HasSuffix(got, " over "+protocol+" heard: ping") {
		t.Errorf("%s: %q, %v", protocol, got, err)
	}
}

// The nginx that appd manages goes when appd goes, after the requests in flight.
func TestHelloStops(t *testing.T) {
	p, ports := startHello(t)
	line := p.awaitLog(t, "nginx ready")
	var pid int
	if _, after, found := strings.Cut(line, "pid="); !found {
		t.Fatalf("no pid in %q", line)
	} else if _, err := fmt.Sscan(after, &pid); err != nil {
		t.Fatal(err)
	}
	ok(t, "127.0.0.1:"+ports["http"], "GET", "/whoami", nil)
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	eventually(t, "nginx is gone", func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH })
	if state := p.cmd.ProcessState.ExitCode(); state != 0 {
		t.Errorf("exit status = %d", state)
	}
}
