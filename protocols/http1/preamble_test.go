package http1

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// v2 makes a binary preamble.
func v2(command, family byte, addresses string) string {
	b := append([]byte(signatureV2), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(addresses)))
	return string(b) + addresses
}

const (
	tcp4 = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x00\x50"
	tlv  = "\x03\x00\x04abcd\x04\x00\x00"
)

var (
	tcp6     = "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01" + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x02" + "\x9c\x40\x00\x50"
	unixAddr = "/run/a.sock" + strings.Repeat("\x00", 205)
)

var preambles = []struct {
	name, in string
	want     string // the peer; empty: refused
}{
	{"1, TCP4", "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", "192.0.2.1:40000"},
	{"1, TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 40000 80\r\n", "[2001:db8::1]:40000"},
	{"1, UNKNOWN", "PROXY UNKNOWN\r\n", "127.0.0.1:4000"},
	{"1, UNKNOWN with more", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "127.0.0.1:4000"},
	{"1, longest", "PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""},
	{"1, port 0", "PROXY TCP4 192.0.2.1 192.0.2.2 0 0\r\n", "192.0.2.1:0"},
	{"1, IPv6 as TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n", ""},
	{"1, IPv4 as TCP6", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", ""},
	{"1, zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", ""},
	{"1, large port", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n", ""},
	{"1, port with a sign", "PROXY TCP4 192.0.2.1 192.0.2.2 +1 80\r\n", ""},
	{"1, no ports", "PROXY TCP4 192.0.2.1 192.0.2.2\r\n", ""},
	{"1, two spaces", "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", ""},
	{"1, UDP", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", ""},
	{"1, empty", "PROXY \r\n", ""},
	{"1, LF", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", ""},
	{"1, too long", "PROXY UNKNOWN " + strings.Repeat("a", 100) + "\r\n", ""},
	{"2, TCP4", v2(0x21, 0x11, tcp4), "192.0.2.1:40000"},
	{"2, TCP4 and TLVs", v2(0x21, 0x11, tcp4+tlv), "192.0.2.1:40000"},
	{"2, TCP6", v2(0x21, 0x21, tcp6), "[2001:db8::1]:40000"},
	{"2, LOCAL", v2(0x20, 0x00, ""), "127.0.0.1:4000"},
	{"2, LOCAL with addresses", v2(0x20, 0x11, tcp4), "127.0.0.1:4000"},
	{"2, UNSPEC", v2(0x21, 0x00, tlv), "127.0.0.1:4000"},
	{"2, Unix", v2(0x21, 0x31, unixAddr+unixAddr[:0]), "127.0.0.1:4000"},
	{"2, TCP4 too short", v2(0x21, 0x11, tcp4[:11]), ""},
	{"2, TCP6 too short", v2(0x21, 0x21, tcp6[:35]), ""},
	{"2, UDP4", v2(0x21, 0x12, tcp4), ""},
	{"2, Unix datagram", v2(0x21, 0x32, unixAddr), ""},
	{"2, unknown family", v2(0x21, 0x41, tcp4), ""},
	{"2, unknown command", v2(0x22, 0x11, tcp4), ""},
	{"2, version 1", v2(0x11, 0x11, tcp4), ""},
	{"none", "", ""},
	{"TLS", "\x16\x03\x01", ""},
	{"small letters", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", ""},
}

func TestPreamble(t *testing.T) {
	cfg := &Config{Proxy: true}
	for _, tt := range preambles {
		for _, size := range []int{whole, 1, 5} {
			r, c, err := serve(t, cfg, loopback, tt.in+get+"\r\n"+get+"\r\n", size)
			if tt.want == "" {
				if fault, is := errors.AsType[*cgi.Error](err); !is || fault.Status != 400 || len(r.heads) > 0 || c.KeepAlive() {
					t.Errorf("%s, pieces of %d: %v, want a refusal", tt.name, size, err)
				}
				continue
			}
			if err != nil || len(r.heads) != 2 {
				t.Errorf("%s, pieces of %d: %v, %d heads", tt.name, size, err, len(r.heads))
				continue
			}
			for i, h := range r.heads {
				if h.Peer.String() != tt.want {
					t.Errorf("%s, request %d: peer %v, want %s", tt.name, i, h.Peer, tt.want)
				}
			}
		}
	}
}

// Without the setting a preamble is a bad request line.
func TestPreambleUnasked(t *testing.T) {
	_, _, err := serve(t, plainConfig, loopback, "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n"+get+"\r\n", whole)
	if fault, is := errors.AsType[*cgi.Error](err); !is || fault.Status != 400 {
		t.Error(err)
	}
}

// A preamble stands once a connection: not before its second request.
func TestPreambleOnce(t *testing.T) {
	p := "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n"
	r, _, err := serve(t, &Config{Proxy: true}, loopback, p+get+"\r\n"+p+get+"\r\n", whole)
	if fault, is := errors.AsType[*cgi.Error](err); !is || fault.Status != 400 || len(r.heads) != 1 {
		t.Error(err)
	}
}

// The address of the preamble is the one whose forwarded fields are judged.
func TestPreambleAndTrust(t *testing.T) {
	in := "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n" + get + "X-Forwarded-For: 1.2.3.4\r\n\r\n"
	for ip, want := range map[string]string{"192.0.2.1": "1.2.3.4:0", "127.0.0.1": "192.0.2.1:40000"} {
		r, _, err := serve(t, &Config{Proxy: true, Trust: mustTrust(t, 1, ip)}, unixPeer, in, whole)
		if err != nil || r.heads[0].Peer != netip.MustParseAddrPort(want) {
			t.Errorf("%s is believed: %v, %v", ip, err, r.heads)
		}
	}
}
