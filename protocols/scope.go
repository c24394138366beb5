// What a request carries beside its public fields.

package protocols

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"github.com/appd-server/appd/protocols/cgi"
)

// scope is the context of a request: it leads back to the head, and holds the URL
// so that both cost one allocation.
type scope struct {
	context.Context
	head  *cgi.Head
	mount cgi.Mount
	url   url.URL

	once sync.Once
	vars cgi.Vars // made from an HTTP head when somebody asks
}

type scopeKey struct{}

// Value implements context.Context.
func (s *scope) Value(key any) any {
	if _, ok := key.(scopeKey); ok {
		return s
	}
	return s.Context.Value(key)
}

// Params returns the variables that came with the request: FastCGI params and
// uwsgi vars just as the front sent them, duplicates included, and for HTTP the
// CGI variables that the request amounts to. It is nil for a request that came
// from somewhere else than [NewRequest]. They must not be changed.
func Params(r *http.Request) cgi.Vars {
	s, _ := r.Context().Value(scopeKey{}).(*scope)
	if s == nil {
		return nil
	}
	if s.head.Protocol != cgi.HTTP {
		return s.head.Vars
	}
	s.once.Do(func() { s.vars, _ = s.head.Environ(nil, s.mount) })
	return s.vars
}

// ScriptFilename returns the file that the front would have for the request, "" where
// it names none: the param SCRIPT_FILENAME without what Apache puts around it. The
// application's path is that of the URL; this is for programs that look for files.
func ScriptFilename(r *http.Request) string {
	return cgi.ScriptFilename(Params(r).Get("SCRIPT_FILENAME"))
}

// Head returns the head that the request was built from, nil for a request that
// came from somewhere else than [NewRequest].
func Head(r *http.Request) *cgi.Head {
	s, _ := r.Context().Value(scopeKey{}).(*scope)
	if s == nil {
		return nil
	}
	return s.head
}

// setURL fills the URL in. RawPath is set only where it decodes to just this path,
// and is needed to tell how the client wrote it; a handler that routes by RawPath
// must never see a path that the front did not authorise.
func (s *scope) setURL(path, raw, query string) {
	u := &s.url
	if path == "" {
		path = "/"
	}
	u.Path, u.RawQuery = path, query
	if raw == path && plainPath(raw) || raw == "" {
		return
	}
	if decoded, err := url.PathUnescape(raw); err != nil || decoded != path {
		return
	}
	if u.EscapedPath() != raw {
		u.RawPath = raw
	}
}

// plainPath reports whether a path is the same encoded as decoded.
func plainPath(s string) bool {
	for i := 0; i < len(s); i++ {
		if !plain[s[i]] {
			return false
		}
	}
	return true
}

// plain holds the bytes that package url leaves as they are in a path.
var plain = func() (t [256]bool) {
	for c := range 128 {
		u := url.URL{Path: "/" + string(rune(c))}
		t[c] = u.EscapedPath() == u.Path
	}
	return t
}()
