// The names of header fields, in their three spellings: as on an HTTP wire, as
// Go's header map keys them, and as CGI variables.

package cgi

import (
	"strings"
	"sync/atomic"
)

// commonNames are the fields that real fronts and browsers send.
var commonNames = [...]string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Access-Control-Request-Headers",
	"Access-Control-Request-Method", "Authorization", "Cache-Control", "Cdn-Loop", "Cf-Connecting-Ip",
	"Cf-Ray", "Client-Ip", "Connection", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Md5", "Content-Type", "Cookie", "Date", "Depth", "Destination", "Dnt", "Early-Data", "Expect",
	"Forwarded", "From", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Keep-Alive", "Last-Event-Id", "Max-Forwards", "Origin", "Overwrite", "Pragma",
	"Priority", "Proxy", "Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Save-Data",
	"Sec-Ch-Ua", "Sec-Ch-Ua-Arch", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Model", "Sec-Ch-Ua-Platform",
	"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Gpc",
	"Sec-Websocket-Extensions", "Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Version",
	"Soapaction", "Te", "Traceparent", "Tracestate", "Trailer", "Transfer-Encoding", "True-Client-Ip",
	"Upgrade", "Upgrade-Insecure-Requests", "User-Agent", "Via", "Warning", "X-Amzn-Trace-Id", "X-Api-Key",
	"X-Cloud-Trace-Context", "X-Correlation-Id", "X-Csrf-Token", "X-Csrftoken", "X-Forwarded-By",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
	"X-Forwarded-Protocol", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Host", "X-Http-Method-Override",
	"X-Original-Uri", "X-Queue-Start", "X-Real-Ip", "X-Request-Id", "X-Request-Start", "X-Requested-With",
}

// name is one field name in its spellings.
type name struct {
	canonical string // Accept-Encoding
	variable  string // HTTP_ACCEPT_ENCODING
	lower     string // accept-encoding
}

// names is an open hash of commonNames, filled once and then only read.
var names [512]*name

// learned holds names that came up while serving, so that an application's own
// fields cost nothing either. A newer name takes the place of an older one with
// the same hash: whatever clients invent, it never grows.
var learned [512]atomic.Pointer[name]

// maxLearned is the longest name that is worth a place.
const maxLearned = 64

func init() {
	for _, c := range commonNames {
		i := nameHash(c)
		for names[i] != nil {
			i = (i + 1) % len(names)
		}
		names[i] = newName(c)
	}
}

// newName makes the spellings of a canonical name of letters, digits and hyphens.
func newName(canonical string) *name {
	return &name{
		canonical: canonical,
		variable:  "HTTP_" + strings.ToUpper(strings.ReplaceAll(canonical, "-", "_")),
		lower:     strings.ToLower(canonical),
	}
}

// byField finds a field name in whatever letters, nil if it is not known.
func byField(s string) *name {
	h := nameHash(s)
	for i := h; names[i] != nil; i = (i + 1) % len(names) {
		if n := names[i]; s == n.canonical || s == n.lower || strings.EqualFold(s, n.lower) {
			return n
		}
	}
	if n := learned[h].Load(); n != nil && (s == n.canonical || s == n.lower || strings.EqualFold(s, n.lower)) {
		return n
	}
	return nil
}

// byVariable finds a variable, nil if it is not known. It begins with HTTP_ and
// goes on.
func byVariable(v string) *name {
	h := nameHash(v[len("HTTP_"):])
	for i := h; names[i] != nil; i = (i + 1) % len(names) {
		if n := names[i]; v == n.variable {
			return n
		}
	}
	if n := learned[h].Load(); n != nil && v == n.variable {
		return n
	}
	return nil
}

// learn keeps a name for the next time.
func learn(canonical string) *name {
	n := newName(canonical)
	if len(canonical) <= maxLearned {
		learned[nameHash(canonical)].Store(n)
	}
	return n
}

// nameHash is the same for all spellings of a name; a variable is given without
// its HTTP_. The length and three letters tell the common names apart well enough.
func nameHash(s string) int {
	n := len(s)
	a, b, c := fold(s[0]), fold(s[n/2]), fold(s[n-1])
	return (n*7 + int(a)*31 + int(b)*131 + int(c)*17) % len(names)
}

// fold makes one letter of the spellings of it.
func fold(c byte) byte {
	if c == '_' {
		return '-'
	}
	return c | 0x20
}

// CanonicalName returns the key that Go's header map has for the field called s
// on an HTTP wire, where s is a valid token: "accept-encoding" is Accept-Encoding.
func CanonicalName(s string) string {
	if s == "" {
		return s
	}
	if n := byField(s); n != nil {
		return n.canonical
	}
	c := canonical(s)
	if validField(c) {
		return learn(c).canonical
	}
	return c
}

// FieldName returns the key that Go's header map has for the variable v, which
// begins with HTTP_. It is false for a name that no front should have sent: empty
// behind HTTP_, or with a character outside A-Z, 0-9 and _.
func FieldName(v string) (string, bool) {
	s := v[len("HTTP_"):]
	if s == "" {
		return "", false
	}
	if n := byVariable(v); n != nil {
		return n.canonical, true
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return "", false
		}
	}
	return learn(canonical(strings.ReplaceAll(s, "_", "-"))).canonical, true
}

// VariableName returns the CGI variable of the field called s on an HTTP wire:
// "accept-encoding" is HTTP_ACCEPT_ENCODING. It is false for a name that holds
// anything but letters, digits and hyphens, because another name would become the
// same variable.
func VariableName(s string) (string, bool) {
	if s == "" {
		return "", false
	}
	if n := byField(s); n != nil {
		return n.variable, true
	}
	if !validField(s) {
		return "", false
	}
	return learn(canonical(s)).variable, true
}

// validField reports whether s holds only letters, digits and hyphens.
func validField(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// canonical puts capitals at the beginning and behind each hyphen, and small
// letters elsewhere. The result shares nothing with s.
func canonical(s string) string {
	b := []byte(s)
	upper := true
	for i, c := range b {
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			b[i] = c ^ 0x20
		}
		upper = c == '-'
	}
	return string(b)
}
