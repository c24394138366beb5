// Which codec a connection gets.

//go:build linux

package eventloop

import (
	"sync"

	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/detect"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/http1"
	"github.com/appd-server/appd/protocols/uwsgi"
)

// codecs makes and keeps codecs for the connections of one listener.
type codecs struct {
	limits  cgi.Limits
	http    http1.Config
	fastcgi sync.Pool
	uwsgi   sync.Pool
}

// limits are the settings as codecs want them, where 0 means the default and the
// settings' 0 means none.
func (l *Loop) limits() cgi.Limits {
	none := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	s := &l.config.Settings
	m := cgi.Limits{
		Params:    s.LimitParams,
		Conns:     s.Connections,
		Line:      none(s.LimitLine),
		Fields:    none(s.LimitFields),
		FieldSize: none(s.LimitFieldSize),
	}
	if !l.config.Multiplex {
		m.Streams = 1
	}
	return m
}

// newCodec returns a codec for a connection that speaks p.
func (c *conn) newCodec(p cgi.Protocol) cgi.Codec {
	ls := c.lis
	switch p {
	case cgi.FastCGI:
		if k, _ := ls.codecs.fastcgi.Get().(*fastcgi.Codec); k != nil {
			return k
		}
		return fastcgi.NewCodec(ls.codecs.limits)
	case cgi.UWSGI:
		if k, _ := ls.codecs.uwsgi.Get().(*uwsgi.Codec); k != nil {
			return k
		}
		k := uwsgi.NewCodec(ls.codecs.limits)
		k.Chunked = ls.ChunkedInput
		return k
	}
	return http1.NewCodec(&ls.codecs.http, c.remote, c.local)
}

// fastcgi is the connection's codec if it is FastCGI's, else nil.
func (c *conn) fastcgi() *fastcgi.Codec {
	k, _ := c.codec.(*fastcgi.Codec)
	return k
}

// dropCodec keeps a codec for the next connection.
func (c *conn) dropCodec() {
	switch k := c.codec.(type) {
	case *fastcgi.Codec:
		k.Reset()
		c.lis.codecs.fastcgi.Put(k)
	case *uwsgi.Codec:
		k.Reset()
		c.lis.codecs.uwsgi.Put(k)
	}
	c.codec = nil
}

// begin gives a connection the codec of its listener. One that has to be told
// first stays without.
func (c *conn) begin(p cgi.Protocol) {
	c.proto = p
	if p == cgi.Auto {
		return
	}
	c.codec = c.newCodec(p)
	if c.loop.draining.Load() {
		c.prepare()
	}
}

// detect looks at the first bytes of a connection whose protocol is to be told by
// them. It reports whether there is a codec now.
func (c *conn) detect() bool {
	r := detect.Detect(c.held[c.in:])
	switch {
	case r.More:
		return false
	case r.Protocol == cgi.Auto:
		c.fail(&cgi.Error{Text: "the peer speaks " + r.Foreign})
		return false
	}
	c.begin(r.Protocol)
	c.checked = true
	return c.codec != nil
}

// mistaken looks at the first bytes on a listener with a fixed protocol. A peer
// that speaks another of ours is named in the log and answered in its own words.
// It reports whether they suffice: the codec gets none before, because what follows
// them would be taken for the first.
func (c *conn) mistaken() bool {
	r := detect.Detect(c.held[c.in:])
	switch {
	case r.More:
		return false
	case r.Foreign != "":
		c.note("the peer speaks " + r.Foreign + ", this listener " + c.proto.String())
	case r.Protocol != c.proto && r.Protocol != cgi.Auto:
		c.note("the peer speaks " + r.Protocol.String() + ", this listener " + c.proto.String() + ": change one of the two")
		c.dropCodec()
		c.begin(r.Protocol)
		c.refuse = misguided
	}
	c.checked = true
	return true
}
