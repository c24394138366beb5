// Which addresses there are: -b over APPD_BIND over listen blocks, then the socket
// of a managed nginx over PORT, and the address of development.

package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// defaultAddress is where an application that was named on the command line
// listens, and development.
const defaultAddress = "127.0.0.1:8000"

// deriveListeners settles the list of listeners and the values that their
// settings take from elsewhere.
func (l *loader) deriveListeners() {
	c := l.c
	switch {
	case len(l.source.Flags.values("bind")) > 0:
		l.bind(l.source.Flags.values("bind"), Origin{Layer: FromFlags, Name: "--bind"})
	case l.env["APPD_BIND"] != "":
		l.bind(splitList(l.env["APPD_BIND"]), Origin{Layer: FromEnv, Name: "APPD_BIND"})
	case len(c.Listen) == 0 && slices.ContainsFunc(c.Nginx, func(n *Nginx) bool { return n.Manage }):
		// Only that nginx has to find it, and its workers, who are not root, may not
		// be allowed into the application's folder.
		l.bind([]string{"unix:" + filepath.Join(c.RunFolder(), "app.sock")}, Origin{})
	case len(c.Listen) == 0 && l.env["PORT"] != "":
		l.bind([]string{"0.0.0.0:" + l.env["PORT"]}, Origin{Layer: FromEnv, Name: "PORT"})
	case len(c.Listen) == 0 && l.source.App != nil:
		c.addListener(defaultAddress, Origin{})
	}
	if l.source.Dev && !c.hasTCP() && (c.App.Kind != FastCGI || len(c.Listen) == 0) {
		c.addListener(defaultAddress, Origin{Layer: FromFlags, Name: "dev"})
	}
	l.forAllListeners()
	for _, ln := range c.Listen {
		if ln.Protocol == "" {
			ln.Protocol = map[Kind]string{FastCGI: "fastcgi", Exec: "http"}[c.App.Kind]
		}
		if ln.Protocol == "" {
			ln.Protocol = "auto"
		}
		if len(c.Nginx) > 0 && !c.Written(&ln.Hops) {
			ln.Hops = 1
		}
	}
	for _, n := range c.Nginx {
		l.deriveNginx(n)
	}
}

// deriveNginx chooses the listener that nginx passes to, what is spoken, and how
// many connections are kept.
func (l *loader) deriveNginx(n *Nginx) {
	c := l.c
	if n.Upstream != "" {
		address, err := ParseAddress(n.Upstream, c.Base)
		if err != nil || c.listener(address) == nil {
			l.fault(l.at(&n.Upstream), "upstream names no listener: "+n.Upstream, "Write the address of a listen block.")
			return
		}
		n.Upstream = address
	}
	for _, ln := range c.Listen {
		if n.Upstream == "" && (n.Protocol == "" || ln.Protocol == "auto" || ln.Protocol == n.Protocol) {
			n.Upstream = ln.Address
		}
	}
	if up := c.listener(n.Upstream); up != nil && n.Protocol == "" {
		n.Protocol = up.Protocol
	}
	oneAtATime := c.App.Kind == FastCGI || c.App.Kind == Exec || c.App.Kind == WSGI && c.App.WorkerClass == "sync"
	if n.KeepAlive < 0 && oneAtATime {
		n.KeepAlive = 0
	} else if n.KeepAlive < 0 {
		n.KeepAlive = 32
	}
	switch {
	case n.Protocol != "auto" && n.Protocol != "":
	case n.KeepAlive > 0:
		n.Protocol = "fastcgi" // the cheapest with kept connections
	default:
		n.Protocol = "uwsgi" // the cheapest without
	}
}

// bind replaces the listeners. One that the file has too keeps its block's settings.
func (l *loader) bind(addresses []string, from Origin) {
	old := l.c.Listen
	l.c.Listen = nil
	for _, text := range addresses {
		address, err := ParseAddress(text, l.source.Dir)
		if err != nil {
			l.fault(from, err.Error(), "Write unix:PATH, HOST:PORT or fd://N.")
			continue
		}
		if l.c.listener(address) != nil {
			l.fault(from, address+" was given twice", "")
			continue
		}
		kept := false
		for _, o := range old {
			if o.Address == address {
				l.c.Listen, kept = append(l.c.Listen, o), true
			}
		}
		if !kept {
			l.c.addListener(address, from)
		}
	}
	for _, o := range old {
		if l.c.listener(o.Address) != o {
			l.c.forget(o)
		}
	}
}

func (c *Config) listener(address string) *Listen {
	for _, l := range c.Listen {
		if l.Address == address {
			return l
		}
	}
	return nil
}

func (c *Config) hasTCP() bool {
	for _, l := range c.Listen {
		if !strings.HasPrefix(l.Address, "unix:") {
			return true
		}
	}
	return false
}

// forAllListeners applies the settings of listeners that stand in the environment
// or on the command line: they hold for every listener.
func (l *loader) forAllListeners() {
	for _, s := range Settings {
		if s.Block != InListen {
			continue
		}
		for _, ln := range l.c.Listen {
			l.fromEnviron(s, place{InListen, ln, ln.Address})
			l.fromFlags(s, place{InListen, ln, ln.Address})
		}
	}
}

// NginxOrDefault is the nginx blocks, or the one that would be there if somebody
// had written `nginx {}`; none without a listener to pass to.
func (c *Config) NginxOrDefault() []*Nginx {
	if len(c.Nginx) > 0 || len(c.Listen) == 0 {
		return c.Nginx
	}
	n := newNginx()
	c.fill(place{InNginx, n, ""})
	c.forget(n)
	(&loader{c: c}).deriveNginx(n)
	return []*Nginx{n}
}

func newNginx() *Nginx { return &Nginx{KeepAlive: -1} }
