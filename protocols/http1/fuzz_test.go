package http1

import (
	"bufio"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// FuzzFeed feeds any bytes in any pieces: never a panic, the same outcome for all
// pieces, and what net/http takes too is understood the same way.
func FuzzFeed(f *testing.F) {
	for _, tt := range refusals {
		f.Add(tt.in, uint8(3))
	}
	for _, tt := range accepted {
		f.Add(tt.in, uint8(7))
	}
	for _, g := range goldens(f) {
		f.Add(g.wire, uint8(100))
	}
	cfg := &Config{Trust: mustTrust(f, 1), Limits: cgi.Limits{Line: 200, Fields: 20, FieldSize: 200}}
	f.Fuzz(func(t *testing.T, in string, size uint8) {
		r, c, err := serve(t, cfg, unixPeer, in, whole)
		s, d, err2 := serve(t, cfg, unixPeer, in, int(size)+1)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("whole: %v; in pieces: %v", err, err2)
		}
		if !slices.Equal(r.bodies, s.bodies) || !slices.Equal(r.events, s.events) || r.reply != s.reply || c.KeepAlive() != d.KeepAlive() {
			t.Fatalf("whole: %q %q; in pieces: %q %q", r.bodies, r.events, s.bodies, s.events)
		}
		for i, h := range r.heads {
			if describe(h) != describe(s.heads[i]) {
				t.Fatalf("whole: %s; in pieces: %s", describe(h), describe(s.heads[i]))
			}
		}
		if len(r.heads) > 0 && r.heads[0].Method != "CONNECT" {
			compare(t, in, r)
		}
	})
}

// compare holds the first request against what net/http makes of the same bytes.
func compare(t *testing.T, in string, r *recorder) {
	t.Helper()
	h := r.heads[0]
	in = strings.TrimPrefix(in, "\r\n")
	q, err := http.ReadRequest(bufio.NewReader(strings.NewReader(in)))
	if err != nil {
		return // stricter than we are: a percent sign in the path, for one
	}
	if q.Method != h.Method || q.RequestURI != h.Target || q.Proto != h.Proto || q.ContentLength != h.ContentLength {
		t.Fatalf("net/http: %+v; here: %s", q, describe(h))
	}
	if q.Host != h.Host {
		t.Fatalf("net/http: host %q; here: %q", q.Host, h.Host)
	}
	for _, v := range h.Vars {
		name := http.CanonicalHeaderKey(v.Name)
		if name == "Host" || name == "Transfer-Encoding" || isForwarded(name) {
			continue
		}
		if !slices.Contains(q.Header[name], v.Value) {
			t.Fatalf("net/http has %q for %s, here it is %q", q.Header[name], name, v.Value)
		}
	}
	body, err := io.ReadAll(q.Body)
	complete := len(r.events) > 1 && !strings.HasPrefix(r.events[len(r.events)-1], "abort")
	if complete && len(r.heads) == 1 && (err != nil || string(body) != r.bodies[0]) {
		t.Fatalf("net/http: body %q, %v; here: %q", body, err, r.bodies[0])
	}
}

// FuzzPreamble reads any bytes as a preamble.
func FuzzPreamble(f *testing.F) {
	for _, tt := range preambles {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		src, dst, n, err := ParsePreamble(p)
		if n < 0 || n > len(p) || src.IsValid() != dst.IsValid() || err != nil && src.IsValid() {
			t.Fatal(src, dst, n, err)
		}
		if n == 0 || err != nil {
			return
		}
		for k := range n {
			if _, _, m, err := ParsePreamble(p[:k]); m != 0 || err != nil {
				t.Fatalf("%d of %d bytes: %d, %v", k, n, m, err)
			}
		}
		again, _, m, err := ParsePreamble(append(slices.Clone(p[:n]), "GET /"...))
		if again != src || m != n || err != nil {
			t.Fatalf("with a request behind it: %v, %d, %v", again, m, err)
		}
	})
}

// FuzzForwarded takes any forwarded fields from a peer that is believed.
func FuzzForwarded(f *testing.F) {
	f.Add("1.2.3.4, 5.6.7.8", `for="[::1]:80";proto=https`, "https", uint8(1))
	f.Add("1.2.3.4", `for=x, for="a,b";proto="http"`, "", uint8(2))
	f.Fuzz(func(t *testing.T, xff, forwarded, proto string, hops uint8) {
		tr := &Trust{Hops: int(hops)}
		for _, with := range []bool{true, false} {
			h := &cgi.Head{Protocol: cgi.HTTP, Vars: cgi.Vars{{Name: "Forwarded", Value: forwarded}, {Name: "X-Forwarded-Proto", Value: proto}}}
			if with {
				h.Vars = append(h.Vars, cgi.Var{Name: "X-Forwarded-For", Value: xff})
			}
			status, _ := tr.apply(h)
			if status != 0 && status != 400 {
				t.Fatal(status)
			}
			if hops == 0 && (len(h.Vars) != 0 || h.HTTPS || h.Peer.IsValid()) {
				t.Fatalf("nobody is believed, but %+v", h)
			}
			if _, both := h.Vars.Lookup("X-Forwarded-For"); both {
				if _, is := h.Vars.Lookup("Forwarded"); is {
					t.Fatal("Forwarded beside X-Forwarded-For")
				}
			}
		}
	})
}

// FuzzAnswer writes any head and body and reads it with net/http.
func FuzzAnswer(f *testing.F) {
	f.Add("X-A", "b", "body", 200, int64(-1), true)
	f.Add("Content-Length", "3", "body", 200, int64(4), false)
	f.Add("Set-Cookie", "a\r\nb: c", "", 304, int64(-1), false)
	f.Add("Transfer-Encoding", "chunked", "x", 100, int64(1), false)
	f.Fuzz(func(t *testing.T, name, value, body string, status int, length int64, split bool) {
		if length >= 0 {
			length = int64(len(body)) // the caller keeps to it
		}
		c, r := NewCodec(plainConfig, netip.AddrPort{}, netip.AddrPort{}), newRecorder()
		if _, err := c.Feed([]byte(get+"\r\n"), r); err != nil {
			t.Fatal(err)
		}
		if name, _ := strings.CutPrefix(name, " "); strings.EqualFold(name, "Content-Length") && length < 0 || status == 101 {
			return // a length that the caller declares and does not keep to; a tunnel
		}
		h := &cgi.AnswerHead{Status: status, ContentLength: length, Fields: []cgi.Var{{Name: name, Value: value}}}
		out := c.AppendAnswer(nil, requestID, h, []byte(body), !split)
		if split {
			out = c.AppendAnswer(out, requestID, nil, nil, true)
		}
		answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(out))), &http.Request{Method: "GET"})
		if err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		got, err := io.ReadAll(answer.Body)
		if err != nil || string(got) != body && answer.StatusCode != 204 && answer.StatusCode != 304 {
			t.Fatalf("%v: %q of %q", err, got, out)
		}
		answer.Header.Del("Content-Length")
		if len(answer.Header) > 1 {
			t.Fatalf("%d fields from one: %q", len(answer.Header), out)
		}
	})
}

// FuzzClient reads any bytes as an answer, in one piece and in two.
func FuzzClient(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", uint(20))
	f.Add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", uint(50))
	f.Fuzz(func(t *testing.T, in string, cut uint) {
		var a, b Answer
		k := int(cut % uint(len(in)+1))
		n, err := a.Feed([]byte(in))
		m, err2 := b.Feed([]byte(in[:k]))
		if err2 == nil && !b.Done {
			var more int
			more, err2 = b.Feed([]byte(in[m:]))
			m += more
		}
		if (err == nil) != (err2 == nil) {
			t.Fatalf("whole: %v; cut at %d: %v", err, k, err2)
		}
		if err == nil && (n != m || a.Done != b.Done || a.Status != b.Status || string(a.Body) != string(b.Body)) {
			t.Fatalf("whole: %d %+v; cut at %d: %d %+v", n, a, k, m, b)
		}
		if len(a.Body) > len(in) {
			t.Fatal("more body than bytes")
		}
	})
}
