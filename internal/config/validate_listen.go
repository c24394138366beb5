// Checks of listen and admin blocks.

package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/appd-server/appd/internal/accounts"
)

func (l *loader) validateListeners() {
	c := l.c
	if len(c.Listen) == 0 && !l.wrote("listen") {
		l.fault(Origin{}, "there is no address to listen on",
			"Write listen \"unix:/run/app.sock\" {} into the file, give -b ADDRESS, or set PORT.")
	}
	if c.App.Kind == FastCGI && len(c.Listen) > 1 {
		l.fault(l.at(c.Listen[1]), "fastcgi programs have one socket, on descriptor 0", "Keep one listen block.")
	}
	for _, ln := range c.Listen {
		l.validateListen(ln)
	}
	for _, a := range c.Admin {
		l.validateSocketFields(a.Address, &a.Mode, &a.Owner, &a.Group)
		l.validatePeers(a.Address, &a.AllowPeers)
	}
}

func (l *loader) validateListen(ln *Listen) {
	kind := l.c.App.Kind
	if kind == FastCGI && ln.Protocol != "fastcgi" {
		l.fault(orOrigin(l.at(&ln.Protocol), l.at(ln)), fmt.Sprintf("%s programs speak only fastcgi, not %s", kind, ln.Protocol), "Write protocol = \"fastcgi\", or leave it out.")
	}
	l.validateSocketFields(ln.Address, &ln.Mode, &ln.Owner, &ln.Group)
	if kind != "" && !kind.Contract() && len(ln.AllowPeers) > 0 {
		l.warn(l.at(&ln.AllowPeers), fmt.Sprintf("allow_peers has no effect on %s programs: they accept by themselves", kind), "")
	}
	l.validatePeers(ln.Address, &ln.AllowPeers)
	if ln.Proxy && l.at(&ln.Proxy).Layer == FromFile && (ln.Protocol == "fastcgi" || ln.Protocol == "uwsgi") {
		l.fault(l.at(&ln.Proxy), fmt.Sprintf("proxy_protocol is for http; this listener speaks %s", ln.Protocol), "Remove one of the two.")
	}
	for _, s := range []struct {
		name, protocol string
		field          *bool
	}{{"fastcgi_stderr", "fastcgi", &ln.Stderr}, {"uwsgi_chunked_input", "uwsgi", &ln.ChunkedInput}} {
		switch {
		case !*s.field:
		case kind != "" && !kind.Contract():
			l.fault(l.at(s.field), fmt.Sprintf("%s has no effect on %s programs: they answer by themselves", s.name, kind), "Remove it.")
		case ln.Protocol != "auto" && ln.Protocol != s.protocol:
			l.fault(l.at(s.field), fmt.Sprintf("%s is for %s; this listener speaks %s", s.name, s.protocol, ln.Protocol), "Remove one of the two.")
		}
	}
	if ln.Stderr && ln.Front == "haproxy" {
		l.fault(l.at(&ln.Stderr), "fastcgi_stderr can end HAProxy: 2.6 was seen to crash over such a line", "Remove it; appd's own log has the failure.")
	}
	for _, ip := range ln.ForwardedIPs {
		if ip != "*" && !isNetwork(ip) {
			l.faultOnce(l.at(&ln.ForwardedIPs), fmt.Sprintf("forwarded_allow_ips: %q is no address, no network and not *", ip))
		}
	}
	if path, ok := IsUnix(ln.Address); ok {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			l.fault(l.at(ln), path+" is a folder", "Name a file in it: unix:"+filepath.Join(path, "app.sock")+".")
		}
	}
}

func orOrigin(a, b Origin) Origin {
	if a.Layer >= FromFile {
		return a
	}
	return b
}

// validateSocketFields: owner and permissions make sense for socket files only.
func (l *loader) validateSocketFields(address string, mode *Octal, owner, group *string) {
	if _, ok := IsUnix(address); !ok {
		for name, field := range map[string]any{"mode": mode, "owner": owner, "group": group} {
			if l.c.Written(field) {
				l.fault(l.at(field), fmt.Sprintf("%s is for sockets in the file system; %s is none", name, address), "Remove it.")
			}
		}
		return
	}
	if *owner != "" {
		if _, err := accounts.User(*owner); err != nil {
			l.fault(l.at(owner), "owner: "+err.Error(), "")
		}
	}
	if *group != "" {
		if _, err := accounts.Group(*group); err != nil {
			l.fault(l.at(group), "group: "+err.Error(), "")
		}
	}
}

// validatePeers: users on Unix sockets, networks on TCP.
func (l *loader) validatePeers(address string, peers *[]string) {
	unix := strings.HasPrefix(address, "unix:")
	for _, p := range *peers {
		if unix {
			if _, err := accounts.User(p); err != nil {
				l.fault(l.at(peers), "allow_peers: "+err.Error(), "On a Unix socket, peers are users.")
			}
			continue
		}
		if !isNetwork(p) {
			l.fault(l.at(peers), fmt.Sprintf("allow_peers: %q is neither an address nor a network", p), "Write \"10.0.0.0/8\" or \"10.1.2.3\".")
		}
	}
}

func isNetwork(text string) bool {
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(text)
	return err == nil
}
