// What proxies in front say about the client, and whether it is believed.

package http1

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
)

// Trust says whose forwarded fields are believed, and how far.
//
// A front that only passes a client's own X-Forwarded-For on lets everybody choose
// an address: stock nginx does. So the client's address is taken from the fields
// only as many hops from their right end as the operator says there are proxies,
// each of which added one; and a Unix socket, whose peer has no address to check,
// is believed in nothing until that number is set.
type Trust struct {
	// Hops is how many proxies add themselves to X-Forwarded-For or Forwarded. With
	// 0 the client is the connection's peer.
	Hops int

	// All believes every peer, Nets those within it. Peers on Unix sockets are
	// believed when Hops is above 0, whatever stands here.
	All  bool
	Nets []netip.Prefix
}

// NewTrust reads addresses, networks in CIDR form, or "*" for every peer.
func NewTrust(ips []string, hops int) (*Trust, error) {
	t := &Trust{Hops: hops}
	for _, s := range ips {
		if s = strings.TrimSpace(s); s == "*" {
			t.All = true
			continue
		}
		if a, err := netip.ParseAddr(s); err == nil {
			a = a.Unmap().WithZone("")
			t.Nets = append(t.Nets, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		n, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("http1: %q is neither an address, nor a network, nor *", s)
		}
		t.Nets = append(t.Nets, n.Masked())
	}
	return t, nil
}

// believes reports whether peer may say who the client is.
func (t *Trust) believes(peer netip.AddrPort) bool {
	switch {
	case t == nil:
		return false
	case !peer.IsValid():
		return t.Hops > 0
	case t.All:
		return true
	}
	a := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(t.Nets, func(n netip.Prefix) bool { return n.Contains(a) })
}

// isForwarded reports whether a field says something about the client that only a
// proxy may say.
func isForwarded(name string) bool {
	switch {
	case len(name) == 9:
		return strings.EqualFold(name, "Forwarded") || strings.EqualFold(name, "X-Real-IP")
	case len(name) >= 11:
		return strings.EqualFold(name[:11], "X-Forwarded")
	}
	return false
}

// apply takes from the forwarded fields of h what is believed, and takes the
// others away.
func (t *Trust) apply(h *cgi.Head) (int, string) {
	if !t.believes(h.Peer) {
		h.Vars = slices.DeleteFunc(h.Vars, func(v cgi.Var) bool { return isForwarded(v.Name) })
		return 0, ""
	}
	if client := t.client(h); client != "" {
		if a, ok := parseClient(strings.TrimSpace(client)); ok {
			h.Peer = a
		}
	}
	s := t.scheme(h)
	if s.http && s.https {
		return 400, "forwarded fields contradict each other about the scheme"
	}
	h.HTTPS = s.https
	return 0, ""
}

// client returns what the believed hops say about the client's address, and takes
// away what the client may have written: the part of X-Forwarded-For further left,
// and a Forwarded beside X-Forwarded-For, because the front writes only one of them.
func (t *Trust) client(h *cgi.Head) string {
	if list, ok := gather(h, "X-Forwarded-For"); ok {
		if _, ok := gather(h, "Forwarded"); ok {
			h.Vars = slices.DeleteFunc(h.Vars, func(v cgi.Var) bool { return same(v.Name, "Forwarded") })
		}
		if t.Hops == 0 {
			return ""
		}
		rest := fromRight(list, t.Hops)
		if len(rest) < len(list) || strings.IndexByte(list, ',') >= 0 {
			replace(h, "X-Forwarded-For", rest)
		}
		client, _, _ := strings.Cut(rest, ",")
		return client
	}
	if list, ok := gather(h, "Forwarded"); ok && t.Hops > 0 {
		client, _ := readForwarded(fromRight(list, t.Hops))
		return client
	}
	return ""
}

// scheme returns what the fields say about the scheme.
func (t *Trust) scheme(h *cgi.Head) scheme {
	var s scheme
	lists := 0
	for i := range h.Vars {
		v := &h.Vars[i]
		switch {
		case len(v.Name) < 9 || !isForwarded(v.Name):
		case same(v.Name, "X-Forwarded-Proto"), same(v.Name, "Forwarded"):
			lists++
		case same(v.Name, "X-Forwarded-Protocol"):
			s.take(v.Value, "https", "ssl")
		case same(v.Name, "X-Forwarded-Ssl"):
			s.take(v.Value, "on")
		}
	}
	if lists == 0 {
		return s
	}
	hop := max(t.Hops, 1)
	if list, ok := gather(h, "X-Forwarded-Proto"); ok {
		proto, _, _ := strings.Cut(fromRight(list, hop), ",")
		s.take(strings.TrimSpace(proto), "https")
	}
	if list, ok := gather(h, "Forwarded"); ok {
		_, proto := readForwarded(fromRight(list, hop))
		s.take(proto, "https")
	}
	return s
}

// scheme collects what several fields say.
type scheme struct{ http, https bool }

// take reads one field, which says https by one of the words in secure. Words that
// nobody knows say nothing.
func (s *scheme) take(v string, secure ...string) {
	for _, w := range secure {
		if strings.EqualFold(v, w) {
			s.https = true
			return
		}
	}
	if strings.EqualFold(v, "http") || strings.EqualFold(v, "off") {
		s.http = true
	}
}

// gather joins the fields called name.
func gather(h *cgi.Head, name string) (string, bool) {
	first, others := "", []string(nil)
	n := 0
	for i := range h.Vars {
		if v := &h.Vars[i]; same(v.Name, name) {
			if n++; n == 1 {
				first = v.Value
			} else {
				others = append(others, v.Value)
			}
		}
	}
	if n > 1 {
		first += ", " + strings.Join(others, ", ")
	}
	return first, n > 0
}

// same is strings.EqualFold for names, most of which differ in length.
func same(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// replace leaves one field called name, with the value v.
func replace(h *cgi.Head, name, v string) {
	done := false
	h.Vars = slices.DeleteFunc(h.Vars, func(x cgi.Var) bool {
		second := done && same(x.Name, name)
		done = done || same(x.Name, name)
		return second
	})
	for i := range h.Vars {
		if same(h.Vars[i].Name, name) {
			h.Vars[i].Value = v
		}
	}
}

// fromRight returns the last n elements of a list, all if there are fewer. Commas
// within quotes do not count.
func fromRight(list string, n int) string {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch list[i] {
		case '"':
			quoted = !quoted
		case ',':
			if quoted {
				continue
			}
			if n--; n == 0 {
				return strings.TrimLeft(list[i+1:], " \t")
			}
		}
	}
	return list
}

// parseClient reads an address, with a port or without.
func parseClient(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a.WithZone("").Unmap(), 0), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(a.Addr().WithZone("").Unmap(), a.Port()), true
	}
	return netip.AddrPort{}, false
}

// readForwarded reads the first element of a Forwarded list (RFC 7239 section 4).
func readForwarded(list string) (client, proto string) {
	for list != "" {
		name, rest, ok := strings.Cut(list, "=")
		if !ok {
			break
		}
		var value string
		value, list = forwardedValue(rest)
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "for") && client == "":
			client = value
		case strings.EqualFold(name, "proto") && proto == "":
			proto = value
		}
		if list == "" || list[0] != ';' {
			break
		}
		list = list[1:]
	}
	return client, proto
}

// forwardedValue splits a token or a quoted string off s. Addresses and schemes
// need no escapes, so a value with one stays as it is and is not understood.
func forwardedValue(s string) (value, rest string) {
	if strings.HasPrefix(s, `"`) {
		if i := strings.IndexByte(s[1:], '"'); i >= 0 {
			return s[1 : 1+i], strings.TrimLeft(s[2+i:], " \t")
		}
		return "", ""
	}
	if i := strings.IndexAny(s, ";,"); i >= 0 {
		return strings.TrimSpace(s[:i]), s[i:]
	}
	return strings.TrimSpace(s), ""
}
