// The path of a request: which of the front's several paths counts, and where the
// application begins in it.

package cgi

import (
	"net/url"
	"strings"
)

// Mount says where the front puts the application.
type Mount struct {
	// Prefix is the path under which the application lies, "/shop", without a
	// slash at its end. "/" means the root for certain: no SCRIPT_NAME of the front
	// counts. Empty leaves it to the front.
	Prefix string

	// FromURI takes the path from REQUEST_URI, decoded once, so that an encoded
	// slash can be told from a real one. The front's own rewriting is then
	// invisible, and so is its cleaning: "..", "//" and the like arrive.
	FromURI bool
}

// Path returns the decoded path of the request in the two parts that CGI knows:
// script leads to the application, info goes on inside it.
//
// The front has checked its access rules against the path that it decoded and
// cleaned, SCRIPT_NAME + PATH_INFO, so that one counts and is never decoded again.
// The parts come in several forms: the stock fastcgi_params of nginx, like Apache
// and HAProxy, give the whole path as SCRIPT_NAME; the stock uwsgi_params give it
// as PATH_INFO; only a configured front splits it. So a SCRIPT_NAME without a
// PATH_INFO is taken for the whole path.
func (f *Facts) Path(h *Head, m Mount) (script, info string, err error) {
	switch {
	case h.Protocol == HTTP, m.FromURI && f.URI != "", f.Script == "" && !f.HasInfo:
		info, err = decodePath(f.RawPath())
	default:
		script, info = f.split(h, m)
	}
	if err != nil {
		return "", "", h.fault("the path is not encoded properly")
	}
	if info == "" && script == "" || info != "" && info[0] != '/' && info != "*" {
		info = "/" + info
	}
	if script != "" && script[0] != '/' {
		script = "/" + script
	}
	if m.Prefix != "" && m.Prefix != "/" && script == "" {
		script, info = m.Prefix, strip(info, m.Prefix)
	}
	return script, info, nil
}

// RawPath is the path of the URI as the client wrote it: not decoded.
func (f *Facts) RawPath() string {
	path, _, _ := strings.Cut(f.URI, "?")
	return originForm(path)
}

// split sorts SCRIPT_NAME and PATH_INFO out.
func (f *Facts) split(h *Head, m Mount) (script, info string) {
	switch {
	case h.Modifier1 == 30:
		// The old recipe for nginx: SCRIPT_NAME is the prefix, PATH_INFO still the
		// whole path, and the server has to take the one off the other.
		return f.Script, strip(f.Info, f.Script)
	case f.Script == "" || f.Script == "/":
		return "", f.Info
	case !f.HasInfo:
		return "", f.Script
	case m.Prefix == "/", m.Prefix != "" && f.Script != m.Prefix:
		return "", f.Script + f.Info
	}
	return f.Script, f.Info
}

// strip takes a prefix off a path, if it ends where a segment does.
func strip(path, prefix string) string {
	if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// originForm takes scheme and authority off a target in absolute form. The
// authority of a CONNECT has no path.
func originForm(path string) string {
	if path == "" || path[0] == '/' || path == "*" {
		return path
	}
	if _, rest, ok := strings.Cut(path, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
	}
	return ""
}

// decodePath decodes a path once.
func decodePath(raw string) (string, error) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, nil
	}
	return url.PathUnescape(raw)
}
