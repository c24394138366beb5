// What the codec itself needs to know of a request.

package uwsgi

import (
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
)

// facts are what the vars say about the connection.
type facts struct {
	length  int64
	upgrade bool   // HTTP_UPGRADE is there
	chunked bool   // it says that the body is, and nothing of its length
	head    bool   // the method is HEAD
	fault   string // what makes the request unfit to be handed out
}

// look reads the vars that the codec depends on. Of several with one name the
// last counts, as in uWSGI.
func look(h *cgi.Head) facts {
	var f facts
	var method, length string
	var path bool
	for i := range h.Vars {
		v := &h.Vars[i]
		switch v.Name {
		case "REQUEST_METHOD":
			method = v.Value
		case "CONTENT_LENGTH":
			length = v.Value
		case "PATH_INFO", "REQUEST_URI":
			path = true
		case "HTTP_UPGRADE":
			f.upgrade = v.Value != ""
		case "HTTP_TRANSFER_ENCODING":
			f.chunked = strings.EqualFold(v.Value, "chunked")
		}
	}
	f.head = method == "HEAD"
	f.chunked = f.chunked && length == ""
	var ok bool
	if f.length, ok = bodyLength(length); !ok {
		f.fault = "CONTENT_LENGTH is not a number"
	}
	if !path {
		f.fault = "neither PATH_INFO nor REQUEST_URI"
	}
	if method == "" {
		f.fault = "no REQUEST_METHOD"
	}
	return f
}

// bodyLength reads CONTENT_LENGTH. Only plain digits announce a body. Empty or
// with a sign means that there is none: nginx leaves it empty for a PUT without a
// length, sends nothing and keeps the connection open.
func bodyLength(s string) (n int64, ok bool) {
	if s == "" {
		return 0, true
	}
	if rest := strings.TrimLeft(s[:1], "+-"); rest == "" {
		_, ok = cgi.ParseLength(s[1:])
		return 0, ok
	}
	return cgi.ParseLength(s)
}
