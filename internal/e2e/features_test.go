// What only some fronts can do.

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/net/websocket"
)

// A WebSocket goes through uwsgi_pass and proxy_pass.
func TestWebSocket(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		conf, err := websocket.NewConfig("ws://"+f.addr+"/ws", "http://"+f.addr+"/")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dial(f.addr)
		if err != nil {
			t.Fatal(err)
		}
		ws, err := websocket.NewClient(conf, conn)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		for _, size := range []int{1, 125, 126, 70_000, 1 << 20} {
			want := strings.Repeat("w", size)
			go websocket.Message.Send(ws, want)
			var got string
			if err := websocket.Message.Receive(ws, &got); err != nil {
				t.Fatalf("message of %d bytes: %v", size, err)
			}
			if got != want {
				t.Errorf("a message of %d bytes came back with %d", size, len(got))
			}
		}
	}, "NU", "NH1", "HH", "AH", "CH", "UR", "FR")
}

// nginx sends the file that the application names and keeps what belongs to it.
func TestAccelRedirect(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		a := ok(t, f.addr, "GET", "/accel", nil)
		if string(a.body) != "the protected file" || a.header.Get("Content-Type") != "text/x-accel" || a.header.Get("Set-Cookie") != "kept=yes" {
			t.Errorf("answer = %q, %v", a.body, a.header)
		}
		if a, err := request(f.addr, "GET", "/protected/file.txt", nil); err != nil || a.status != 404 {
			t.Errorf("the protected file is open: %+v, %v", a, err)
		}
	}, nginxFronts...)
}

// Other fronts do not see the headers that are meant for nginx.
func TestAccelStripped(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		a, err := request(f.addr, "GET", "/accel", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name := range a.header {
			if strings.HasPrefix(name, "X-Accel") || name == "X-Sendfile" && f.code[0] != 'L' {
				t.Errorf("%s reached the client", name)
			}
		}
	}, "HF", "HM", "AF", "AU", "LF", "LU", "CF", "UR")
}

// cgi-fcgi is the smallest client there is.
func TestCgiFcgi(t *testing.T) {
	a := shared(t)
	cmd := exec.Command(need(t, "cgi-fcgi"), "-bind", "-connect", a.fastcgi())
	cmd.Env = []string{"REQUEST_METHOD=POST", "SCRIPT_NAME=/echo", "PATH_INFO=", "REQUEST_URI=/echo", "SERVER_PROTOCOL=HTTP/1.1", "CONTENT_LENGTH=300000"}
	cmd.Stdin = bulk(300_000)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	head, body, found := strings.Cut(out.String(), "\r\n\r\n")
	if !found || !strings.HasPrefix(head, "Status: 200 OK\r\n") {
		t.Fatalf("answer = %.300q", out.String())
	}
	var s seen
	if err := json.Unmarshal([]byte(body), &s); err != nil || s.BodyLen != 300_000 {
		t.Errorf("body = %d bytes, %v", s.BodyLen, err)
	}
}

// The listener that speaks everything serves each protocol.
func TestAuto(t *testing.T) {
	a := shared(t)
	got := ok(t, a.auto(), "GET", "/echo", nil)
	var s seen
	if err := json.Unmarshal(got.body, &s); err != nil || s.Protocol != "http" {
		t.Errorf("HTTP on auto = %q, %v", s.Protocol, err)
	}
	cmd := exec.Command(need(t, "cgi-fcgi"), "-bind", "-connect", a.auto())
	cmd.Env = []string{"REQUEST_METHOD=GET", "SCRIPT_NAME=", "PATH_INFO=/echo", "REQUEST_URI=/echo", "SERVER_PROTOCOL=HTTP/1.1"}
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), `"Protocol":"fastcgi"`) {
		t.Errorf("FastCGI on auto = %.300q, %v", out, err)
	}
}

// A peer that speaks the wrong protocol is named in the log.
func TestWrongProtocol(t *testing.T) {
	a := shared(t)
	_, r := raw(t, a.fastcgi(), "GET / HTTP/1.1\r\nHost: front\r\n\r\n")
	if resp, err := http.ReadResponse(r, nil); err == nil && resp.StatusCode < 400 {
		t.Errorf("HTTP on the FastCGI listener = %s", resp.Status)
	}
	a.awaitLog(t, "fastcgi", "http")
}
