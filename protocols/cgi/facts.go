// The variables that describe a request itself, gathered from any protocol.

package cgi

import (
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Facts are what every request has, whichever protocol brought it. All are as the
// front gave them but for the rules named here.
type Facts struct {
	Method string
	URI    string // REQUEST_URI: as the client typed it; "" when a front left it out
	Query  string // QUERY_STRING; of the URI when a front left it out
	Proto  string // HTTP/1.0, HTTP/1.1, HTTP/2.0 or HTTP/3.0; HTTP/1.1 for any other text

	Script  string // SCRIPT_NAME
	Info    string // PATH_INFO
	HasInfo bool   // PATH_INFO was there, and not empty

	Host       string // HTTP_HOST, else SERVER_NAME
	RemoteAddr string // the client's address; "0.0.0.0" where nobody told one
	RemotePort string // "0" where nobody told one
	ServerName string // without a port
	ServerPort string // "443" or "80" where nobody told one

	ContentType   string
	ContentLength string // digits or ""
	Secure        bool   // the client came over TLS
}

// NoAddress is the client's address where nobody told one that can be believed:
// a Unix socket has none. It is a valid address, unlike the "@" of Go's net
// package, and trusted by nobody, unlike the loopback.
const NoAddress = "0.0.0.0"

// Secure reports whether the client came over TLS, as far as the front told.
func (h *Head) Secure() bool {
	if h.Protocol == HTTP {
		return h.HTTPS
	}
	var s scheme
	for i := range h.Vars {
		switch v := &h.Vars[i]; v.Name {
		case "HTTPS", "REQUEST_SCHEME", "UWSGI_SCHEME":
			s.take(v)
		}
	}
	return s.secure()
}

// scheme collects what params and vars say of the scheme.
type scheme struct {
	https  bool
	forced string // UWSGI_SCHEME: what somebody wrote into the front's configuration
}

func (s *scheme) take(v *Var) {
	switch v.Name {
	case "HTTPS":
		s.https = s.https || v.Value == "1" || strings.EqualFold(v.Value, "on") || strings.EqualFold(v.Value, "true")
	case "REQUEST_SCHEME":
		s.https = s.https || strings.EqualFold(v.Value, "https")
	case "UWSGI_SCHEME":
		s.forced = v.Value
	}
}

func (s *scheme) secure() bool {
	if s.forced != "" {
		return strings.EqualFold(s.forced, "https")
	}
	return s.https
}

// Facts gathers the facts of the request into f, which should be new.
func (h *Head) Facts(f *Facts) {
	if h.Protocol == HTTP {
		f.fromHTTP(h)
	} else {
		f.fromVars(h)
	}
	if f.RemoteAddr == "" || strings.HasPrefix(f.RemoteAddr, "unix:") { // nginx, of a client on a Unix socket
		f.RemoteAddr, f.RemotePort = NoAddress, "0"
	}
	if f.RemotePort == "" {
		f.RemotePort = "0"
	}
	name, port := splitHost(f.ServerName)
	f.ServerName = name
	if f.ServerPort == "" {
		f.ServerPort = port
	}
	if f.ServerPort == "" {
		f.ServerPort = "80"
		if f.Secure {
			f.ServerPort = "443"
		}
	}
	if f.ServerName == "" {
		f.ServerName = "localhost"
	}
}

// fromVars reads params and vars. Of a variable that came twice the last counts.
func (f *Facts) fromVars(h *Head) {
	hasQuery := false
	var s scheme
	for i := range h.Vars {
		v := &h.Vars[i]
		switch v.Name {
		case "REQUEST_METHOD":
			f.Method = v.Value
		case "REQUEST_URI":
			f.URI = v.Value
		case "QUERY_STRING":
			f.Query, hasQuery = v.Value, true
		case "SERVER_PROTOCOL":
			f.Proto = v.Value
		case "SCRIPT_NAME":
			f.Script = v.Value
		case "PATH_INFO":
			f.Info, f.HasInfo = v.Value, v.Value != ""
		case "HTTP_HOST":
			f.Host = v.Value
		case "REMOTE_ADDR":
			f.RemoteAddr = v.Value
		case "REMOTE_PORT":
			f.RemotePort = v.Value
		case "SERVER_NAME":
			f.ServerName = v.Value
		case "SERVER_PORT":
			f.ServerPort = v.Value
		case "CONTENT_TYPE":
			f.ContentType = v.Value
		case "CONTENT_LENGTH":
			f.ContentLength = v.Value
		case "HTTPS", "REQUEST_SCHEME", "UWSGI_SCHEME":
			s.take(v)
		}
	}
	f.Secure = s.secure()
	switch f.Proto {
	case "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0":
	default: // INCLUDED of a server-side include, or nothing
		f.Proto = "HTTP/1.1"
	}
	if !hasQuery {
		_, f.Query, _ = strings.Cut(f.URI, "?")
	}
	if f.Host == "" {
		f.Host = f.ServerName
	}
	if h.ContentLength < 0 { // Caddy sends -1 for a chunked upload
		f.ContentLength = ""
	}
}

// fromHTTP reads an HTTP head.
func (f *Facts) fromHTTP(h *Head) {
	f.Method, f.URI, f.Proto, f.Host, f.Secure = h.Method, h.Target, h.Proto, h.Host, h.HTTPS
	_, f.Query, _ = strings.Cut(h.Target, "?")
	f.ServerName = h.Host
	f.ContentType, _ = h.Header("Content-Type")
	if h.ContentLength > 0 {
		f.ContentLength = strconv.FormatInt(h.ContentLength, 10)
	} else if h.ContentLength == 0 {
		f.ContentLength, _ = h.Header("Content-Length")
	}
	if a := h.Peer; a.IsValid() {
		f.RemoteAddr = a.Addr().Unmap().String()
		f.RemotePort = strconv.Itoa(int(a.Port()))
	}
	if a := h.Local; a.IsValid() && a.Port() != 0 {
		f.ServerPort = strconv.Itoa(int(a.Port()))
	}
}

// Header returns the value of the first field called name of an HTTP head, in
// whatever letters, and whether there is one.
func (h *Head) Header(name string) (string, bool) {
	for i := range h.Vars {
		if v := &h.Vars[i]; len(v.Name) == len(name) && strings.EqualFold(v.Name, name) {
			return v.Value, true
		}
	}
	return "", false
}

// splitHost takes the port off a host: HAProxy's SERVER_NAME carries one.
func splitHost(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") || strings.IndexByte(s, ':') != i && !strings.HasPrefix(s, "[") {
		return s, "" // no port, or an IPv6 address without brackets
	}
	return s[:i], s[i+1:]
}

// RemoteAddrPort is the client as "address:port", the form of
// http.Request.RemoteAddr.
func (f *Facts) RemoteAddrPort() string {
	if f.RemoteAddr == NoAddress && f.RemotePort == "0" {
		return NoAddress + ":0"
	}
	if strings.IndexByte(f.RemoteAddr, ':') >= 0 {
		return "[" + f.RemoteAddr + "]:" + f.RemotePort
	}
	return f.RemoteAddr + ":" + f.RemotePort
}

// Check reports what makes a request of params or vars unfit for an application,
// with the status to answer. A codec for HTTP has checked the same by itself.
func (h *Head) Check() error {
	for i := range h.Vars {
		v := &h.Vars[i]
		switch {
		case v.Name == "REQUEST_METHOD" && !httpguts.ValidHeaderFieldName(v.Value):
			return h.fault("REQUEST_METHOD is not a method")
		case v.Name == "HTTP_HOST" && !httpguts.ValidHostHeader(v.Value):
			return h.fault("HTTP_HOST is not a host")
		case v.Name == "REQUEST_URI" && !validTarget(v.Value):
			return h.fault("a control byte in REQUEST_URI")
		case len(v.Name) > 5 && v.Name[:5] == "HTTP_" && !httpguts.ValidHeaderFieldValue(v.Value):
			return h.fault("a control byte in " + strconv.Quote(v.Name))
		}
	}
	if _, ok := h.Vars.Lookup("REQUEST_METHOD"); !ok {
		return h.fault("REQUEST_METHOD is missing")
	}
	return nil
}

func (h *Head) fault(text string) error {
	return &Error{Protocol: h.Protocol, Status: 400, Text: text}
}

// validTarget reports whether s may be handed on as a request target. Bytes above
// 0x7f may: nginx passes a raw UTF-8 path on.
func validTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
