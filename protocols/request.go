// Building the request of a handler.

package protocols

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
)

// NewRequest builds the server-side request that h describes. Its context is
// derived from ctx and leads [Params] back to h.
//
// Body is http.NoBody; whoever moves the bytes sets another one where h has a
// body. An error is an *cgi.Error that says what to answer; it is the peer's fault.
func NewRequest(ctx context.Context, h *cgi.Head, m cgi.Mount) (*http.Request, error) {
	if h.Protocol != cgi.HTTP {
		if err := h.Check(); err != nil {
			return nil, err
		}
	}
	var f cgi.Facts
	h.Facts(&f)
	script, path, err := f.Path(h, m)
	if err != nil {
		return nil, err
	}
	raw := f.RawPath()
	if m.Prefix == "" && h.Modifier1 != 30 { // the front's own split: a handler sees the whole path
		path = script + path
	} else {
		raw = strings.TrimPrefix(raw, script)
	}
	s := &scope{Context: ctx, head: h, mount: m}
	if h.Protocol == cgi.HTTP && f.Method == "CONNECT" && f.RawPath() == "" {
		s.url.Host = h.Target
	} else {
		s.setURL(path, raw, f.Query)
	}
	r := http.Request{
		Method:        f.Method,
		URL:           &s.url,
		Proto:         f.Proto,
		ProtoMajor:    int(f.Proto[5] - '0'),
		ProtoMinor:    int(f.Proto[7] - '0'),
		Header:        header(h),
		Body:          http.NoBody,
		ContentLength: h.ContentLength,
		Close:         h.Protocol == cgi.HTTP && !h.KeepAlive,
		Host:          f.Host,
		RemoteAddr:    f.RemoteAddrPort(),
		RequestURI:    f.URI,
	}
	if r.RequestURI == "" {
		r.RequestURI = s.url.RequestURI()
	}
	if f.Secure {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	if h.Protocol == cgi.HTTP && h.ContentLength == cgi.UnknownLength {
		r.TransferEncoding = []string{"chunked"}
	}
	return r.WithContext(s), nil
}

// header builds the header map. One array holds all the values.
func header(h *cgi.Head) http.Header {
	var room [48]cgi.Var
	fields := h.AppendFields(room[:0])
	m := make(http.Header, len(fields)+1) // one more, often: the request's id
	values := make([]string, len(fields))
	for i := range fields {
		values[i] = fields[i].Value
		m[fields[i].Name] = values[i : i+1 : i+1]
	}
	return m
}
