package http1

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

var (
	unixPeer = netip.AddrPort{}
	loopback = netip.MustParseAddrPort("127.0.0.1:4000")
	stranger = netip.MustParseAddrPort("203.0.113.9:4000")
)

func mustTrust(t testing.TB, hops int, ips ...string) *Trust {
	t.Helper()
	tr, err := NewTrust(ips, hops)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestTrust(t *testing.T) {
	defaults := []string{"127.0.0.1", "::1"}
	xff := "X-Forwarded-For: 192.0.2.1, 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 192.0.2.3\r\nX-Forwarded-Host: evil\r\n"
	tests := []struct {
		name  string
		hops  int
		ips   []string
		peer  netip.AddrPort
		in    string
		want  string // peer and https
		keeps string // names of the forwarded fields that stay, with values
	}{
		{"unix socket, no hops", 0, defaults, unixPeer, xff, "invalid AddrPort false", ""},
		{"unix socket, all believed but no hops", 0, []string{"*"}, unixPeer, xff, "invalid AddrPort false", ""},
		{"unix socket, one hop", 1, defaults, unixPeer, xff, "198.51.100.7:0 true",
			"X-Forwarded-For: 198.51.100.7|X-Forwarded-Proto: https|X-Real-IP: 192.0.2.3|X-Forwarded-Host: evil|"},
		{"unix socket, two hops", 2, defaults, unixPeer, xff, "192.0.2.1:0 true",
			"X-Forwarded-For: 192.0.2.1, 198.51.100.7|X-Forwarded-Proto: https|X-Real-IP: 192.0.2.3|X-Forwarded-Host: evil|"},
		{"more hops than addresses", 5, defaults, unixPeer, xff, "192.0.2.1:0 true",
			"X-Forwarded-For: 192.0.2.1, 198.51.100.7|X-Forwarded-Proto: https|X-Real-IP: 192.0.2.3|X-Forwarded-Host: evil|"},
		{"believed peer, no hops", 0, defaults, loopback, xff, "127.0.0.1:4000 true",
			"X-Forwarded-For: 192.0.2.1, 198.51.100.7|X-Forwarded-Proto: https|X-Real-IP: 192.0.2.3|X-Forwarded-Host: evil|"},
		{"believed peer, one hop", 1, defaults, loopback, "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 false", "X-Forwarded-For: 192.0.2.1|"},
		{"stranger", 1, defaults, stranger, xff, "203.0.113.9:4000 false", ""},
		{"stranger, all believed", 1, []string{"*"}, stranger, "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 false", "X-Forwarded-For: 192.0.2.1|"},
		{"stranger in a network", 1, []string{"203.0.113.0/24"}, stranger, "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 false", "X-Forwarded-For: 192.0.2.1|"},
		{"mapped address", 1, defaults, netip.MustParseAddrPort("[::ffff:127.0.0.1]:1"), "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 false", "X-Forwarded-For: 192.0.2.1|"},
		{"nobody is trusted", -1, nil, loopback, xff + "Forwarded: for=1.2.3.4\r\n", "127.0.0.1:4000 false", ""},
		{"two fields", 1, nil, unixPeer, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n", "192.0.2.2:0 false", "X-Forwarded-For: 192.0.2.2|"},
		{"two fields, two hops", 2, nil, unixPeer, "x-forwarded-for: 192.0.2.9,192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n", "192.0.2.1:0 false", "x-forwarded-for: 192.0.2.1, 192.0.2.2|"},
		{"not an address", 1, defaults, loopback, "X-Forwarded-For: unknown\r\n", "127.0.0.1:4000 false", "X-Forwarded-For: unknown|"},
		{"not an address, unix", 1, nil, unixPeer, "X-Forwarded-For: unknown\r\n", "invalid AddrPort false", "X-Forwarded-For: unknown|"},
		{"a port", 1, nil, unixPeer, "X-Forwarded-For: 192.0.2.1:1234\r\n", "192.0.2.1:1234 false", "X-Forwarded-For: 192.0.2.1:1234|"},
		{"IPv6", 1, nil, unixPeer, "X-Forwarded-For: 2001:db8::1\r\n", "[2001:db8::1]:0 false", "X-Forwarded-For: 2001:db8::1|"},
		{"IPv6 in brackets", 1, nil, unixPeer, "X-Forwarded-For: [2001:db8::1]\r\n", "[2001:db8::1]:0 false", "X-Forwarded-For: [2001:db8::1]|"},
		{"IPv6 and port", 1, nil, unixPeer, "X-Forwarded-For: [2001:db8::1]:99\r\n", "[2001:db8::1]:99 false", "X-Forwarded-For: [2001:db8::1]:99|"},
		{"forwarded", 1, nil, unixPeer, "Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43\r\n", "192.0.2.60:0 true", "Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43|"},
		{"forwarded, quoted", 1, nil, unixPeer, "Forwarded: for=1.2.3.4, For=\"[2001:db8:cafe::17]:4711\"; Proto=\"HTTPS\"\r\n", "[2001:db8:cafe::17]:4711 true", "Forwarded: for=1.2.3.4, For=\"[2001:db8:cafe::17]:4711\"; Proto=\"HTTPS\"|"},
		{"forwarded, two hops", 2, nil, unixPeer, "Forwarded: for=1.2.3.4\r\nForwarded: for=5.6.7.8\r\nForwarded: for=\"9.9.9.9\"\r\n", "5.6.7.8:0 false",
			"Forwarded: for=1.2.3.4|Forwarded: for=5.6.7.8|Forwarded: for=\"9.9.9.9\"|"},
		{"forwarded, obfuscated", 1, nil, unixPeer, "Forwarded: for=_hidden\r\n", "invalid AddrPort false", "Forwarded: for=_hidden|"},
		{"forwarded, broken", 1, nil, unixPeer, "Forwarded: for=\"1.2.3.4\r\n", "invalid AddrPort false", "Forwarded: for=\"1.2.3.4|"},
		{"both", 1, nil, unixPeer, "Forwarded: for=1.2.3.4;proto=https\r\nX-Forwarded-For: 5.6.7.8\r\n", "5.6.7.8:0 false", "X-Forwarded-For: 5.6.7.8|"},
		{"proto of a list", 1, nil, unixPeer, "X-Forwarded-Proto: http, https\r\n", "invalid AddrPort true", "X-Forwarded-Proto: http, https|"},
		{"proto of a list, two hops", 2, nil, unixPeer, "X-Forwarded-Proto: https, http\r\n", "invalid AddrPort true", "X-Forwarded-Proto: https, http|"},
		{"proto unknown", 1, nil, unixPeer, "X-Forwarded-Proto: wss\r\n", "invalid AddrPort false", "X-Forwarded-Proto: wss|"},
		{"ssl on", 1, nil, unixPeer, "X-Forwarded-Ssl: on\r\n", "invalid AddrPort true", "X-Forwarded-Ssl: on|"},
		{"protocol ssl", 1, nil, unixPeer, "X-Forwarded-Protocol: ssl\r\n", "invalid AddrPort true", "X-Forwarded-Protocol: ssl|"},
		{"agreeing", 1, nil, unixPeer, "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n", "invalid AddrPort true", "X-Forwarded-Proto: https|X-Forwarded-Ssl: on|"},
	}
	for _, tt := range tests {
		tr := mustTrust(t, tt.hops, tt.ips...)
		if tt.hops < 0 {
			tr = nil
		}
		r, _, err := serve(t, &Config{Trust: tr}, tt.peer, get+"X-A: b\r\n"+tt.in+"X-B: c\r\n\r\n", whole)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		h := r.heads[0]
		var kept strings.Builder
		for n, v := range h.Vars.All() {
			if isForwarded(n) {
				kept.WriteString(n + ": " + v + "|")
			}
		}
		got := h.Peer.String()
		if h.HTTPS {
			got += " true"
		} else {
			got += " false"
		}
		if got != tt.want || kept.String() != tt.keeps {
			t.Errorf("%s: got %s, kept %q\nwant %s, %q", tt.name, got, kept.String(), tt.want, tt.keeps)
		}
		if a := h.Vars.Get("X-A"); a != "b" || h.Vars[len(h.Vars)-1].Name != "X-B" {
			t.Errorf("%s: other fields are gone: %v", tt.name, h.Vars)
		}
	}
}

func TestContradiction(t *testing.T) {
	for _, in := range []string{
		"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n",
		"X-Forwarded-Proto: http\r\nX-Forwarded-Protocol: ssl\r\n",
		"X-Forwarded-Proto: http\r\nForwarded: proto=https\r\n",
	} {
		for hops, status := range []int{0, 400} { // what nobody believes cannot contradict
			_, _, err := serve(t, &Config{Trust: mustTrust(t, hops)}, unixPeer, get+in+"\r\n", whole)
			got := 0
			if fault, is := errors.AsType[*cgi.Error](err); is {
				got = fault.Status
			}
			if got != status {
				t.Errorf("%q with %d hops: status %d, want %d", in, hops, got, status)
			}
		}
	}
}

func TestNewTrust(t *testing.T) {
	for _, bad := range []string{"localhost", "10.0.0.0/33", "", "unix:"} {
		if _, err := NewTrust([]string{bad}, 0); err == nil || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Thousands of forwarded fields take time in proportion to their size.
func TestManyForwarded(t *testing.T) {
	cfg := &Config{Limits: cgi.Limits{Fields: -1, FieldSize: -1}, Trust: mustTrust(t, 1)}
	in := get + strings.Repeat("X-Forwarded-For: 1.1.1.1\r\n", 15000) + strings.Repeat("X-Forwarded-Proto: https\r\n", 15000) + "\r\n"
	r, _, err := serve(t, cfg, unixPeer, in, 16384)
	if err != nil || r.heads[0].Peer.String() != "1.1.1.1:0" || len(r.heads[0].Vars) != 15002 {
		t.Error(err, r.heads)
	}
}
