// A listener as the supervisor describes it.

//go:build linux

package eventloop

import (
	"fmt"
	"net/netip"
	"os/user"
	"strconv"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/http1"
)

// Protocols are the protocols by the names that they have in a hand-over.
var Protocols = map[string]cgi.Protocol{"": cgi.Auto, "auto": cgi.Auto, "fastcgi": cgi.FastCGI, "uwsgi": cgi.UWSGI, "http": cgi.HTTP}

var fronts = map[string]cgi.Front{"": cgi.Nginx, "nginx": cgi.Nginx, "apache": cgi.Apache, "lighttpd": cgi.Lighttpd, "haproxy": cgi.HAProxy, "caddy": cgi.Caddy}

// Inherited turns a listener of the supervisor into one for [Loop.Listen]. Rules
// are left to the caller.
func Inherited(l *handoff.Listener) (Listener, error) {
	fail := func(err error) (Listener, error) {
		return Listener{}, fmt.Errorf("listener %s: %w", l.Address, err)
	}
	p, ok := Protocols[l.Protocol]
	if !ok {
		return fail(fmt.Errorf("unknown protocol %q", l.Protocol))
	}
	front, ok := fronts[l.Front]
	if !ok {
		return fail(fmt.Errorf("unknown front %q", l.Front))
	}
	trust, err := http1.NewTrust(l.ForwardedIPs, l.ForwardedHops)
	if err != nil {
		return fail(err)
	}
	ls := Listener{
		FD: l.FD, Address: l.Address, Protocol: p, Front: front, ProxyProtocol: l.ProxyProtocol, Trust: trust,
		Stderr: l.Stderr, ChunkedInput: l.ChunkedInput,
	}
	for _, peer := range l.AllowPeers {
		if err := ls.allow(peer); err != nil {
			return fail(err)
		}
	}
	return ls, nil
}

// allow adds one entry of allow_peers: a user's name or number, an address or a network.
func (ls *Listener) allow(peer string) error {
	if n, err := netip.ParsePrefix(peer); err == nil {
		ls.AllowNets = append(ls.AllowNets, n.Masked())
		return nil
	}
	if a, err := netip.ParseAddr(peer); err == nil {
		ls.AllowNets = append(ls.AllowNets, netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	text := peer
	if u, err := user.Lookup(peer); err == nil {
		text = u.Uid
	}
	uid, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return fmt.Errorf("allow_peers: %q is neither a user nor an address", peer)
	}
	ls.AllowUIDs = append(ls.AllowUIDs, uint32(uid))
	return nil
}
