//go:build linux

package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a peer sends byte for byte, and what it is answered. Every wire ends with the
// end of the peer's side. The answers are told in short: "1:200:/a 3" is the answer to
// request 1, status 200, whose body says that /a had a body of 3 bytes; a status of
// "-" is an END_REQUEST without an answer.

// utter answers with the path and the length of the body.
func utter(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		fmt.Fprintf(w, "%s cut", r.URL.Path)
		return
	}
	fmt.Fprintf(w, "%s %d", r.URL.Path, n)
}

// said sends wire in pieces of size bytes, ends its side, and returns all that came.
func (s *site) said(t *testing.T, wire []byte, size int) []byte {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	go func() {
		for len(wire) > 0 {
			n := min(size, len(wire))
			if _, err := c.Write(wire[:n]); err != nil {
				return
			}
			wire = wire[n:]
		}
		c.(*net.UnixConn).CloseWrite()
	}()
	out, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was left open")
	}
	return out
}

// inShort tells the records of a FastCGI server, sorted.
func inShort(p []byte) string {
	var words []string
	stdout := map[uint16][]byte{}
	for in := bufio.NewReader(bytes.NewReader(p)); ; {
		typ, id, content, err := readRecord(in)
		switch {
		case err == io.EOF:
			slices.Sort(words) // requests are served side by side
			return strings.Join(words, " ")
		case err != nil:
			return strings.Join(append(words, "half a record"), " ")
		case typ == 6:
			stdout[id] = append(stdout[id], content...)
		case typ == 3:
			words = append(words, ended(id, stdout[id], content))
			delete(stdout, id)
		case typ == 10:
			words = append(words, fmt.Sprintf("values(%s)", pairs(content)))
		case typ == 11:
			words = append(words, fmt.Sprintf("unknown(%d)", content[0]))
		default:
			words = append(words, fmt.Sprintf("type(%d)", typ))
		}
	}
}

func ended(id uint16, stdout, content []byte) string {
	if len(stdout) == 0 {
		return fmt.Sprintf("%d:-:%d", id, content[4])
	}
	a, err := parseCGI(stdout)
	switch {
	case err != nil:
		return fmt.Sprintf("%d:%v", id, err)
	case a.status != 200:
		return fmt.Sprintf("%d:%d", id, a.status)
	}
	return fmt.Sprintf("%d:200:%s", id, a.body)
}

func pairs(p []byte) string {
	var out []string
	for len(p) > 1 {
		n, v := int(p[0]), int(p[1])
		out = append(out, string(p[2:2+n])+"="+string(p[2+n:2+n+v]))
		p = p[2+n+v:]
	}
	return strings.Join(out, ",")
}

// padded is a record with n bytes of junk behind its content.
func padded(typ byte, id uint16, content string, n int) string {
	p := record(typ, id, []byte(content))
	p[6] = byte(n)
	return string(p) + strings.Repeat("\xff", n)
}

func rec(typ byte, id uint16, content string) string { return padded(typ, id, content, 0) }

// pair writes the lengths of a pair in the form that is asked for.
func pair(name, value string, long bool) string {
	length := func(n int) string {
		if n < 128 && !long {
			return string([]byte{byte(n)})
		}
		return string(binary.BigEndian.AppendUint32(nil, uint32(n)|1<<31))
	}
	return length(len(name)) + length(len(value)) + name + value
}

const (
	kept   = "\x00\x01\x01\x00\x00\x00\x00\x00"
	single = "\x00\x01\x00\x00\x00\x00\x00\x00"
)

// get is the params of a request for path.
func get(path string) string {
	return pair("REQUEST_METHOD", "GET", false) + pair("REQUEST_URI", path, false) + pair("SCRIPT_NAME", path, false) + pair("SERVER_PROTOCOL", "HTTP/1.1", false)
}

func post(path, length string) string {
	return strings.Replace(get(path), "\x03GET", "\x04POST", 1) + pair("CONTENT_LENGTH", length, false)
}

// full is a whole request without a body, whose connection is kept.
func full(id uint16, params string) string {
	return rec(1, id, kept) + rec(4, id, params) + rec(4, id, "") + rec(5, id, "")
}

// headOf is a whole head.
func headOf(id uint16, params string) string {
	return rec(1, id, kept) + rec(4, id, params) + rec(4, id, "")
}

func TestFastCGIBytes(t *testing.T) {
	ask := func(names ...string) string {
		var block strings.Builder
		for _, n := range names {
			block.WriteString(pair(n, "", false))
		}
		return rec(9, 0, block.String())
	}
	all := "values(FCGI_MAX_CONNS=1000,FCGI_MAX_REQS=100,FCGI_MPXS_CONNS=1)"
	long := strings.Repeat("v", 70_000)
	cases := []struct{ name, wire, want string }{
		{"nothing", "", ""},
		{"one", full(1, get("/a")), "1:200:/a 0"},
		{"end of the connection", rec(1, 1, single) + rec(4, 1, get("/a")) + rec(4, 1, "") + rec(5, 1, ""), "1:200:/a 0"},
		{"high id", full(65535, get("/a")), "65535:200:/a 0"},
		{"long lengths", full(1, get("/a")+pair("HTTP_X", "y", true)), "1:200:/a 0"},
		{"127 and 128", full(1, get("/a")+pair("HTTP_X", long[:127], false)+pair("HTTP_Y", long[:128], false)), "1:200:/a 0"},
		{"no name", full(1, get("/a")+pair("", "y", false)), "1:200:/a 0"},
		{"pair in two records", rec(1, 1, kept) + rec(4, 1, get("/a")[:20]) + rec(4, 1, get("/a")[20:]) + rec(4, 1, "") + rec(5, 1, ""), "1:200:/a 0"},
		{"cut pair", full(1, get("/a")+"\x05\x05abc"), "1:400"},
		{"lengths of 2 GiB", full(1, get("/a")+"\xff\xff\xff\xff\xff\xff\xff\xffabc"), "1:400"},
		{"NUL", full(1, get("/a")+pair("HTTP_X", "a\x00b", false)), "1:400"},
		{"id 0", full(0, get("/a")), ""},
		{"begin beside itself", rec(1, 1, kept) + full(1, get("/a")), ""},
		{"unknown ids", rec(5, 9, "abc") + rec(4, 9, "abc") + rec(2, 9, "") + full(1, get("/a")), "1:200:/a 0"},
		{"short begin", rec(1, 1, kept[:7]), ""},
		{"long begin", rec(1, 1, kept+"x"), ""},
		{"authorizer", rec(1, 1, "\x00\x02\x01\x00\x00\x00\x00\x00") + full(3, get("/a")), "1:-:3 3:200:/a 0"},
		{"role 9", rec(1, 1, "\x00\x09\x01\x00\x00\x00\x00\x00"), "1:-:3"},
		{"version 0", full(1, get("/a")) + "\x00" + full(3, get("/b"))[1:], "1:200:/a 0"},
		{"version 2", full(1, get("/a")) + "\x02" + full(1, get("/b"))[1:], "1:200:/a 0"},
		{"values", ask("FCGI_MPXS_CONNS", "FCGI_MAX_REQS", "FCGI_MAX_CONNS"), all},
		{"values unknown", ask("FCGI_SHOE_SIZE", "FCGI_MPXS_CONNS"), "values(FCGI_MPXS_CONNS=1)"},
		{"values of nothing", rec(9, 0, ""), "values()"},
		{"values amid", headOf(1, post("/a", "3")) + ask("FCGI_MPXS_CONNS") + rec(5, 1, "abc") + rec(5, 1, ""), "1:200:/a 3 values(FCGI_MPXS_CONNS=1)"},
		{"management 77", rec(77, 0, "abc") + full(1, get("/a")), "1:200:/a 0 unknown(77)"},
		{"type 255", full(1, get("/a")) + headOf(3, get("/b")) + rec(255, 3, ""), "1:200:/a 0 3:200:/b cut"},
		{"body", headOf(1, post("/a", "3")) + rec(5, 1, "ab") + rec(5, 1, "c") + rec(5, 1, "") + rec(5, 1, ""), "1:200:/a 3"},
		{"body of unknown length", headOf(1, post("/a", "")) + rec(5, 1, "abc") + rec(5, 1, ""), "1:200:/a 3"},
		{"body of Caddy", headOf(1, post("/a", "-1")) + rec(5, 1, "abc") + rec(5, 1, ""), "1:200:/a 3"},
		{"body too long", headOf(1, post("/a", "3")) + rec(5, 1, "abcdef") + rec(5, 1, "g") + rec(5, 1, "") + full(3, get("/b")), "1:200:/a 3 3:200:/b 0"},
		{"body too short", headOf(1, post("/a", "5")) + rec(5, 1, "abc") + rec(5, 1, ""), "1:200:/a cut"},
		{"body cut", headOf(1, post("/a", "5")) + rec(5, 1, "abc"), "1:200:/a cut"},
		{"record cut", headOf(1, post("/a", "5")) + rec(5, 1, "abcde")[:10], "1:200:/a cut"},
		{"params cut", rec(1, 1, kept) + rec(4, 1, get("/a")), "1:400"},
		{"length a word", headOf(1, post("/a", "3x")), "1:400"},
		{"body before params", rec(1, 1, kept) + rec(5, 1, "abc"), "1:400"},
		{"abort in params", rec(1, 1, kept) + rec(4, 1, get("/a")) + rec(2, 1, "") + full(1, get("/b")), "1:-:0 1:200:/b 0"},
		{"abort in the body", headOf(1, post("/a", "5")) + rec(5, 1, "ab") + rec(2, 1, ""), "1:-:0"},
		{"1 MiB of params", rec(1, 1, kept) + inRecords(4, 1, get("/a")+many(1<<20-300)) + rec(4, 1, "") + rec(5, 1, ""), "1:200:/a 0"},
		{"more than 1 MiB", rec(1, 1, kept) + inRecords(4, 1, get("/a")+many(1<<20)) + rec(4, 1, "") + rec(5, 1, ""), "1:431"},
		{"single bytes", headOf(1, post("/a", "50000")) + strings.Repeat(rec(5, 1, "x"), 50_000) + rec(5, 1, ""), "1:200:/a 50000"},
	}
	st := serve(t, &Server{Protocol: "fastcgi"}, utter)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { st.saidInAnyPieces(t, c.wire, c.want, inShort) })
	}
	t.Run("padding", func(t *testing.T) {
		for n := range 256 {
			wire := padded(1, 1, kept, n) + padded(4, 1, get("/a"), n) + padded(4, 1, "", n) + padded(5, 1, "abc", n) + padded(5, 1, "", n)
			if got := inShort(st.said(t, []byte(wire), 1<<20)); got != "1:200:/a 3" {
				t.Fatalf("%d bytes: %q", n, got)
			}
		}
	})
}

// saidInAnyPieces says wire at once, and byte by byte if it is short.
func (s *site) saidInAnyPieces(t *testing.T, wire, want string, short func([]byte) string) {
	t.Helper()
	sizes := []int{1 << 20}
	if len(wire) < 1000 {
		sizes = append(sizes, 1, 7)
	}
	for _, size := range sizes {
		if got := short(s.said(t, []byte(wire), size)); got != want {
			t.Errorf("in pieces of %d: got %q, want %q", size, got, want)
		}
	}
}

// inRecords cuts a stream into records wherever they are full.
func inRecords(typ byte, id uint16, s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(len(s), 65535)
		b.WriteString(rec(typ, id, s[:n]))
		s = s[n:]
	}
	return b.String()
}

// many is n bytes of params.
func many(n int) string {
	one := pair("X_PAD", strings.Repeat("p", 989), true) // 1002 bytes
	return strings.Repeat(one, n/len(one)) + pair("X_PAD", strings.Repeat("p", n%len(one)), true)
}

// A thousand requests at a time on one connection, which no front does: four times as
// many as it is told are served, the others are refused with an answer, and none is
// forgotten.
func TestThousandRequestsOnAConnection(t *testing.T) {
	release := make(chan struct{})
	st := serve(t, &Server{Protocol: "fastcgi"}, func(w http.ResponseWriter, r *http.Request) { <-release; utter(w, r) })
	c := st.dial(t)
	var wire strings.Builder
	for id := range uint16(1000) {
		wire.WriteString(headOf(id*7+3, post(fmt.Sprintf("/%d", id), "4")))
	}
	for id := range uint16(1000) {
		wire.WriteString(rec(5, id*7+3, "body") + rec(5, id*7+3, ""))
	}
	go io.WriteString(c, wire.String())
	in, out, ends := bufio.NewReader(c), map[uint16][]byte{}, 0
	served, refused := 0, 0
	for ends < 1000 {
		typ, id, content, err := readRecord(in)
		if err != nil {
			t.Fatalf("after %d ends: %v", ends, err)
		}
		switch typ {
		case 6:
			out[id] = append(out[id], content...)
		case 3:
			ends++
			switch got := ended(id, out[id], content); got {
			case fmt.Sprintf("%d:200:/%d 4", id, (id-3)/7):
				served++
			case fmt.Sprintf("%d:503", id):
				refused++
			default:
				t.Errorf("got %q", got)
			}
			if refused == 600 {
				close(release)
				refused++
			}
		}
	}
	if served != 400 {
		t.Errorf("%d served, %d refused", served, refused-1)
	}
}

// Caddy resets the connection when it has read the header of END_REQUEST.
func TestResetAtTheEnd(t *testing.T) {
	st := serve(t, &Server{Protocol: "fastcgi"}, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 200_000))
	})
	for range 20 {
		c := st.dial(t)
		io.WriteString(c, full(1, get("/a")))
		if _, err := io.CopyN(io.Discard, c, 200_100); err != nil {
			t.Fatal(err)
		}
		c.Close() // with bytes unread
	}
	st.noLog(t)
}

// A front that keeps the connection may send on a body that nobody wants, all of it.
func TestUnreadUploadOnAKeptConnection(t *testing.T) {
	st := serve(t, &Server{Protocol: "fastcgi"}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	c := st.dial(t)
	in := bufio.NewReader(c)
	for _, path := range []string{"/a", "/b"} {
		a := ask{method: "POST", path: path, body: strings.Repeat("x", 20<<20), keep: true}
		if _, err := c.Write(a.wire("fastcgi")); err != nil {
			t.Fatal(err)
		}
		if got, err := receiveAnswer("fastcgi", in, &a); err != nil || got.body != path {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}

// httpInShort tells the answers of an HTTP or uwsgi server.
func httpInShort(p []byte) string {
	var words []string
	for in := bufio.NewReader(bytes.NewReader(p)); ; {
		if _, err := in.Peek(1); err != nil {
			return strings.Join(words, " ")
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return strings.Join(append(words, err.Error()), " ")
		}
		body, err := io.ReadAll(res.Body)
		switch {
		case err != nil:
			words = append(words, err.Error())
		case res.StatusCode == 200:
			words = append(words, "200:"+string(body))
		default:
			words = append(words, fmt.Sprint(res.StatusCode))
		}
	}
}

func TestHTTPBytes(t *testing.T) {
	const host = "Host: x\r\n"
	req := func(line, fields string) string { return line + "\r\n" + host + fields + "\r\n" }
	chunked := "Transfer-Encoding: chunked\r\n"
	cases := []struct{ name, wire, want string }{
		{"nothing", "", ""},
		{"one", req("GET /a HTTP/1.1", ""), "200:/a 0"},
		{"pipelined", req("GET /a HTTP/1.1", "") + req("POST /b HTTP/1.1", "Content-Length: 3\r\n") + "abc" + req("GET /c HTTP/1.1", ""), "200:/a 0 200:/b 3 200:/c 0"},
		{"1.0", "GET /a HTTP/1.0\r\n\r\n" + req("GET /b HTTP/1.1", ""), "200:/a 0"},
		{"1.0 kept", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + req("GET /b HTTP/1.1", ""), "200:/a 0 200:/b 0"},
		{"chunks", req("POST /a HTTP/1.1", chunked) + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n" + req("GET /b HTTP/1.1", ""), "200:/a 5 200:/b 0"},
		{"both framings", req("POST /a HTTP/1.1", chunked+"Content-Length: 3\r\n") + "0\r\n\r\n", "400"},
		{"chunks in 1.0", "POST /a HTTP/1.0\r\n" + chunked + "\r\n0\r\n\r\n", "400"},
		{"gzip", req("POST /a HTTP/1.1", "Transfer-Encoding: gzip\r\n"), "501"},
		{"chunked twice", req("POST /a HTTP/1.1", "Transfer-Encoding: chunked, chunked\r\n"), "400"},
		{"lengths", req("POST /a HTTP/1.1", "Content-Length: 3, 3\r\n") + "abc", "400"},
		{"two lengths", req("POST /a HTTP/1.1", "Content-Length: 3\r\nContent-Length: 3\r\n") + "abc", "400"},
		{"+3", req("POST /a HTTP/1.1", "Content-Length: +3\r\n") + "abc", "400"},
		{"no length", req("POST /a HTTP/1.1", "Content-Length:\r\n"), "400"},
		{"blank before the colon", req("GET /a HTTP/1.1", "X : y\r\n"), "400"},
		{"no name", req("GET /a HTTP/1.1", ": y\r\n"), "400"},
		{"fold", req("GET /a HTTP/1.1", "X: y\r\n z\r\n"), "400"},
		{"bare LF", "GET /a HTTP/1.1\nHost: x\n\n", "400"},
		{"control byte", req("GET /a HTTP/1.1", "X: a\x01b\r\n"), "400"},
		{"chunk 0x", req("POST /a HTTP/1.1", chunked) + "0x3\r\nabc\r\n0\r\n\r\n", "400"},
		{"chunk huge", req("POST /a HTTP/1.1", chunked) + "fffffffffffffffff\r\n", "400"},
		{"two hosts", req("GET /a HTTP/1.1", host), "400"},
		{"no host", "GET /a HTTP/1.1\r\n\r\n", "400"},
		{"asterisk", req("GET * HTTP/1.1", ""), "400"},
		{"relative", req("GET a HTTP/1.1", ""), "400"},
		{"HTTP/3.0", req("GET /a HTTP/3.0", ""), "505"},
		{"small letters", req("get /a HTTP/1.1", ""), "400"},
		{"long line", req("GET /"+strings.Repeat("a", 5000)+" HTTP/1.1", ""), "414"},
		{"long field", req("GET /a HTTP/1.1", "X: "+strings.Repeat("a", 9000)+"\r\n"), "431"},
		{"fields", req("GET /a HTTP/1.1", strings.Repeat("X: y\r\n", 101)), "431"},
		{"body cut", req("POST /a HTTP/1.1", "Content-Length: 5\r\n") + "abc", "200:/a cut"},
		{"head cut", "GET /a HTTP/1.1\r\nHost: x\r\n", ""},
		{"nothing behind an error", req("GET /a HTTP/1.1", "X : y\r\n") + req("GET /b HTTP/1.1", ""), "400"},
		{"error behind a request", req("GET /a HTTP/1.1", "") + "\x00", "200:/a 0 400"},
	}
	st := serve(t, &Server{Protocol: "http"}, utter)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { st.saidInAnyPieces(t, c.wire, c.want, httpInShort) })
	}
}

// vars is a uwsgi packet.
func vars(modifier byte, names ...string) string {
	var block strings.Builder
	for _, s := range names {
		block.WriteString(string(binary.LittleEndian.AppendUint16(nil, uint16(len(s)))) + s)
	}
	return string([]byte{modifier, byte(block.Len()), byte(block.Len() >> 8), 0}) + block.String()
}

func TestUWSGIBytes(t *testing.T) {
	req := func(more ...string) string {
		return vars(0, append([]string{"REQUEST_METHOD", "POST", "PATH_INFO", "/a"}, more...)...)
	}
	length := func(n string) string { return req("CONTENT_LENGTH", n) }
	big := strings.Repeat("v", 65535-len(req("X", ""))+4)
	cases := []struct{ name, wire, want string }{
		{"nothing", "", ""},
		{"one", req(), "200:/a 0"},
		{"header cut", req()[:3], ""},
		{"vars cut", req()[:20], "400"},
		{"inner length", "\x00\x04\x00\x00\xff\x00ab", "400"},
		{"no vars", vars(0), "400"},
		{"no method", vars(0, "PATH_INFO", "/a"), "400"},
		{"no path", vars(0, "REQUEST_METHOD", "GET"), "400"},
		{"empty name", req("", "x"), "200:/a 0"},
		{"empty value", req("HTTP_X", ""), "200:/a 0"},
		{"65535 bytes", req("X", big), "200:/a 0"},
		{"body", length("3") + "abc", "200:/a 3"},
		{"body too long", length("3") + "abcdef", "200:/a 3"},
		{"body cut", length("5") + "abc", "200:/a cut"},
		{"length empty", length(""), "200:/a 0"},
		{"length -1", length("-1"), "200:/a 0"},
		{"length +1", length("+1"), "200:/a 0"},
		{"length a word", length("x"), "400"},
		{"second packet", req() + req(), "200:/a 0"},
		{"ping", "\x64\x00\x00\x00", "ping"},
		{"prefix", vars(30, "REQUEST_METHOD", "GET", "SCRIPT_NAME", "/m", "PATH_INFO", "/m/a"), "200:/a 0"},
	}
	st := serve(t, &Server{Protocol: "uwsgi"}, utter)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			st.saidInAnyPieces(t, c.wire, c.want, func(p []byte) string {
				if string(p) == "\x64\x00\x00\x01" {
					return "ping"
				}
				return httpInShort(p)
			})
		})
	}
	t.Run("modifiers", func(t *testing.T) {
		for m := range 256 {
			wire := vars(byte(m), "REQUEST_METHOD", "GET", "PATH_INFO", "/a")
			got := string(st.said(t, []byte(wire), 1<<20))
			want := ""
			switch m {
			case 0, 30:
				want = "HTTP/1.1 200"
			case 5, 6, 7, 8, 9, 11, 14, 15, 18, 23, 24, 25:
				want = "HTTP/1.1 501"
			case 100:
				want = "\x64\x00\x00\x01"
			}
			if !strings.HasPrefix(got, want) || want == "" && got != "" {
				t.Errorf("modifier %d: %.60q", m, got)
			}
		}
	})
}

// A head or a body that comes a byte at a time is one request like any other, and a
// thousand of them cost the others nothing.
func TestSlowFrontsBesideQuickOnes(t *testing.T) {
	st := serve(t, &Server{ReadTimeout: time.Minute}, utter)
	var slow []net.Conn
	for i := range 300 {
		c := st.dial(t)
		wire := (&ask{method: "POST", path: "/slow", length: 100}).wire(protocolsToTest[i%3])
		c.Write(wire[:min(1+i*5, len(wire)-1)])
		slow = append(slow, c)
	}
	for _, p := range protocolsToTest {
		if got := st.do(t, p, ask{method: "POST", path: "/quick", body: "abc"}); got.body != "/quick 3" {
			t.Errorf("%s: %+v", p, got)
		}
	}
	for _, c := range slow {
		c.Close()
	}
}
