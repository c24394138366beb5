// uWSGI's own routers in front of appd: its HTTP router, and its FastRouter behind
// nginx.

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// routers is the program that is both.
const routers = "uwsgi-core"

// fastRouted is nginx with the stock params in front of the FastRouter.
const fastRouted = `
    server {
        listen %[1]s;
        client_max_body_size 0;
        location / { include /etc/nginx/uwsgi_params; uwsgi_pass unix:%[2]s; uwsgi_buffering off; }
    }
`

// A head and what the router reads with it have to fit into one packet of 64 KiB, vars
// and body: with a buffer of that size it closes on clients that upload quickly.
const routerBuffer = "32768"

func startRouters(t testing.TB, a *appd) []*front {
	t.Helper()
	ur := &front{code: "UR", protocol: "uwsgi", addr: freeAddr(t)}
	fr := &front{code: "FR", protocol: "uwsgi", addr: freeAddr(t), spools: true}
	name := filepath.Base(a.dir) + "-routers"
	socket := filepath.Join(folder(t, name), "fastrouter.sock")
	ur.server = launch(t, name, nil, need(t, "uwsgi-core"), "--master", "--die-on-term",
		"--plugin", "http", "--http", ur.addr, "--http-to", a.socket("apache"), // which passes no X-Accel
		"--http-websockets", "--http-buffer-size", routerBuffer,
		"--plugin", "fastrouter", "--fastrouter", socket, "--fastrouter-to", a.uwsgi(), "--fastrouter-buffer-size", "65535")
	ur.server.awaitListen(t, ur.addr, socket)
	fr.server = runPlainNginx(t, name+"-nginx", fmt.Sprintf(fastRouted, fr.addr, socket))
	fr.server.awaitListen(t, fr.addr)
	return []*front{ur, fr}
}

// The routers pass on what appd answers, as it is.
func TestRouters(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		s := echo(t, f.addr, "GET", "/echo/a%20b%E9?q=a+b%20c&x", nil, header("X-Test", "value"), header("Cookie", "a=1"))
		if s.Protocol != "uwsgi" || s.Path != `"/echo/a b\xe9"` || s.Query != "q=a+b%20c&x" || s.Header.Get("X-Test") != "value" || s.Header.Get("Cookie") != "a=1" {
			t.Errorf("GET arrived as %+v", s)
		}
		if s := echo(t, f.addr, "POST", "/echo", strings.NewReader("12345")); s.BodyLen != 5 || s.ContentLength != 5 {
			t.Errorf("POST arrived with %d bytes of %d", s.BodyLen, s.ContentLength)
		}
		if a, err := request(f.addr, "HEAD", "/status?code=200", nil); err != nil || a.status != 200 || len(a.body) != 0 {
			t.Errorf("HEAD = %+v, %v", a, err)
		}
		if a, err := request(f.addr, "GET", "/status?code=304", nil); err != nil || a.status != 304 || a.cut != nil {
			t.Errorf("304 = %+v, %v", a, err)
		}
		if a := ok(t, f.addr, "GET", "/long", nil); string(a.body) != "123" {
			t.Errorf("a body of 3 bytes = %q", a.body)
		}
		if a := ok(t, f.addr, "GET", "/cookies", nil); len(a.header.Values("Set-Cookie")) != 2 {
			t.Errorf("Set-Cookie = %q", a.header.Values("Set-Cookie"))
		}
		if a, err := request(f.addr, "GET", "/panic", nil); err != nil || a.status != 500 {
			t.Errorf("panic = %+v, %v", a, err)
		}
	}, codesOf[routers]...)
}

// The HTTP router passes a body without a length on only if it is told to, and
// "Expect: 100-continue" as it is: appd waits for neither, and says no more than the
// answer.
func TestRouterBodies(t *testing.T) {
	behind(t, func(t *testing.T, f *front) {
		for body, text := range map[string]string{
			"":      "PUT /echo HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
			"12345": "POST /echo HTTP/1.1\r\nHost: front\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n12345",
		} {
			_, r := raw(t, f.addr, text)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			var s seen
			if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || s.BodyLen != int64(len(body)) || s.BodyErr != "" {
				t.Errorf("%.20q: %s: %d bytes, error %q, %v", text, resp.Status, s.BodyLen, s.BodyErr, err)
			}
		}
	}, "UR")
}

// Told to, it passes a chunked body on as it came; the listener is told the same.
func TestRouterChunkedInput(t *testing.T) {
	a := shared(t)
	addr := freeAddr(t)
	router := launch(t, t.Name(), nil, need(t, "uwsgi-core"), "--master", "--die-on-term", "--plugin", "http",
		"--http", addr, "--http-to", a.socket("router"), "--http-chunked-input", "--http-buffer-size", routerBuffer)
	router.awaitListen(t, addr)
	const size = 3_000_000
	sent := ok(t, addr, "POST", "/echo", bulk(size), chunked)
	known := ok(t, addr, "POST", "/echo", bulk(size), sized(size))
	for text, unknown := range map[*answer]bool{sent: true, known: false} {
		var s seen
		if err := json.Unmarshal(text.body, &s); err != nil || s.BodyLen != size || s.BodyErr != "" || (s.ContentLength < 0) != unknown || len(s.Header["Transfer-Encoding"]) > 0 {
			t.Errorf("%d bytes arrived of %d, error %q, %v, header %v", s.BodyLen, s.ContentLength, s.BodyErr, err, s.Header)
		}
	}
}
