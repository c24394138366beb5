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
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"
)

// protocolsToTest are all that a front may speak.
var protocolsToTest = []string{"fastcgi", "uwsgi", "http"}

// ask is a request that a test sends as a front would.
type ask struct {
	method, path string
	header       map[string]string
	body         string
	length       int  // CONTENT_LENGTH; 0: that of body
	keep         bool // keep the connection
	id           uint16
}

func (a *ask) vars() [][2]string {
	path, query, _ := strings.Cut(a.path, "?")
	n := a.length
	if n == 0 {
		n = len(a.body)
	}
	length := ""
	if n > 0 {
		length = strconv.Itoa(n)
	}
	v := [][2]string{
		{"REQUEST_METHOD", a.method}, {"REQUEST_URI", a.path}, {"PATH_INFO", path}, {"QUERY_STRING", query}, {"SCRIPT_NAME", ""},
		{"SERVER_PROTOCOL", "HTTP/1.1"}, {"CONTENT_LENGTH", length}, {"CONTENT_TYPE", ""}, {"REMOTE_ADDR", "192.0.2.7"}, {"REMOTE_PORT", "4711"},
		{"SERVER_NAME", "shop.example"}, {"SERVER_PORT", "80"}, {"HTTP_HOST", "shop.example"},
	}
	for name, value := range a.header {
		v = append(v, [2]string{"HTTP_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_"), value})
	}
	return v
}

// head is what precedes the body on the wire.
func (a *ask) head(protocol string) []byte {
	var b bytes.Buffer
	switch protocol {
	case "http":
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: shop.example\r\n", a.method, a.path)
		for name, value := range a.header {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
		if n := max(a.length, len(a.body)); n > 0 {
			fmt.Fprintf(&b, "Content-Length: %d\r\n", n)
		}
		if !a.keep {
			b.WriteString("Connection: close\r\n")
		}
		b.WriteString("\r\n")
	case "uwsgi":
		var vars []byte
		for _, v := range a.vars() {
			for _, s := range v {
				vars = binary.LittleEndian.AppendUint16(vars, uint16(len(s)))
				vars = append(vars, s...)
			}
		}
		b.Write([]byte{0, byte(len(vars)), byte(len(vars) >> 8), 0})
		b.Write(vars)
	case "fastcgi":
		var vars []byte
		for _, v := range a.vars() {
			for _, s := range v {
				vars = binary.BigEndian.AppendUint32(vars, uint32(len(s))|1<<31)
			}
			vars = append(vars, v[0]+v[1]...)
		}
		keep := byte(0)
		if a.keep {
			keep = 1
		}
		b.Write(record(1, a.number(), []byte{0, 1, keep, 0, 0, 0, 0, 0}))
		b.Write(record(4, a.number(), vars))
		b.Write(record(4, a.number(), nil))
	}
	return b.Bytes()
}

func (a *ask) number() uint16 { return max(a.id, 1) }

// piece is a part of the body on the wire; nil is its end.
func (a *ask) piece(protocol string, p []byte) []byte {
	if protocol != "fastcgi" {
		return p
	}
	if len(p) == 0 {
		return record(5, a.number(), nil)
	}
	var out []byte
	for len(p) > 0 {
		n := min(len(p), 30000)
		out = append(out, record(5, a.number(), p[:n])...)
		p = p[n:]
	}
	return out
}

// wire is the whole request.
func (a *ask) wire(protocol string) []byte {
	out := append(a.head(protocol), a.piece(protocol, []byte(a.body))...)
	if len(a.body) > 0 {
		out = append(out, a.piece(protocol, nil)...)
	}
	return out
}

func record(typ byte, id uint16, content []byte) []byte {
	h := []byte{1, typ, byte(id >> 8), byte(id), byte(len(content) >> 8), byte(len(content)), 0, 0}
	return append(h, content...)
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     string
	complete bool // the end was seen, not only the end of the connection
}

// receiveAnswer reads one answer to a.
func receiveAnswer(protocol string, in *bufio.Reader, a *ask) (answer, error) {
	if protocol != "fastcgi" {
		res, err := http.ReadResponse(in, &http.Request{Method: a.method})
		if err != nil {
			return answer{}, err
		}
		body, err := io.ReadAll(res.Body)
		return answer{res.StatusCode, res.Header, string(body), err == nil}, nil
	}
	var out bytes.Buffer
	complete := false
	for {
		typ, _, content, err := readRecord(in)
		if err != nil {
			if out.Len() == 0 {
				return answer{}, err
			}
			break
		}
		if typ == 6 {
			out.Write(content)
		}
		if typ == 3 {
			complete = true
			break
		}
	}
	ans, err := parseCGI(out.Bytes())
	length := ans.header.Get("Content-Length")
	ans.complete = complete && (length == "" || length == strconv.Itoa(len(ans.body)) || a.method == "HEAD" || ans.status == 304) // fronts compare too
	return ans, err
}

func readRecord(in *bufio.Reader) (typ byte, id uint16, content []byte, err error) {
	var h [8]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return 0, 0, nil, err
	}
	content = make([]byte, int(binary.BigEndian.Uint16(h[4:]))+int(h[6]))
	if _, err := io.ReadFull(in, content); err != nil {
		return 0, 0, nil, err
	}
	return h[1], binary.BigEndian.Uint16(h[2:]), content[:binary.BigEndian.Uint16(h[4:])], nil
}

func parseCGI(p []byte) (answer, error) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(p)))
	h, err := r.ReadMIMEHeader()
	if err != nil {
		return answer{}, fmt.Errorf("head %.200q: %w", p, err)
	}
	body, _ := io.ReadAll(r.R)
	code, _, _ := strings.Cut(h.Get("Status"), " ")
	status, err := strconv.Atoi(code)
	if err != nil {
		return answer{}, errors.New("no Status: " + h.Get("Status"))
	}
	return answer{status: status, header: http.Header(h), body: string(body)}, nil
}

// site is a served handler and how to reach it.
type site struct {
	*Server
	network, address string
	errors           *lines
}

// lines is an error log that tests can look at.
type lines struct{ c chan string }

func (l *lines) Write(p []byte) (int, error) {
	select {
	case l.c <- string(p):
	default:
	}
	return len(p), nil
}

// dial opens a connection that is closed at the end of the test.
func (s *site) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial(s.network, s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// do sends a on a new connection and reads the answer and the end.
func (s *site) do(t testing.TB, protocol string, a ask) answer {
	t.Helper()
	c := s.dial(t)
	go c.Write(a.wire(protocol))
	ans, err := receiveAnswer(protocol, bufio.NewReader(c), &a)
	if err != nil {
		t.Fatalf("%s %s %s: %v", protocol, a.method, a.path, err)
	}
	return ans
}
