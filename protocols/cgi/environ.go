// Two views of a request's variables: its header fields under the names of Go's
// header map, and the complete variables of CGI.

package cgi

import (
	"cmp"
	"strings"
)

// AppendFields appends the header fields of the request to dst, named as Go's
// header map names them, in the order of the wire. Fields that came several times
// are joined, by "; " if they are cookies and by ", " otherwise: nginx before 1.23
// and HAProxy send each as a param of its own.
//
// Left out are Host, which the request has by itself, and Transfer-Encoding, which
// is the front's or the codec's business; Proxy, which a CGI program would take
// for HTTP_PROXY of its environment (CVE-2016-5385); HTTP_CONTENT_TYPE and
// HTTP_CONTENT_LENGTH, doubles of the params without HTTP_ or lies; and variables
// with a character outside A-Z, 0-9 and _.
func (h *Head) AppendFields(dst []Var) []Var {
	j := joiner{start: len(dst)}
	for i := range h.Vars {
		v := &h.Vars[i]
		var key string
		if h.Protocol == HTTP {
			key = CanonicalName(v.Name)
		} else {
			key = fieldOfVariable(v)
		}
		switch key {
		case "", "Host", "Transfer-Encoding", "Proxy":
			continue
		}
		if v.Name == "CONTENT_TYPE" || v.Name == "CONTENT_LENGTH" {
			dst = j.set(dst, key, v.Value)
			continue
		}
		dst = j.add(dst, key, v.Value)
	}
	return j.done(dst)
}

// fieldOfVariable is the field that a param or var stands for, "" for none.
func fieldOfVariable(v *Var) string {
	if !isHeader(v.Name) {
		switch v.Name {
		case "CONTENT_TYPE":
			if v.Value != "" {
				return "Content-Type"
			}
		case "CONTENT_LENGTH":
			if v.Value != "" && v.Value[0] != '-' {
				return "Content-Length"
			}
		}
		return ""
	}
	if key, ok := FieldName(v.Name); ok && v.Name != "HTTP_CONTENT_LENGTH" && v.Name != "HTTP_CONTENT_TYPE" {
		return key
	}
	return ""
}

// isHeader reports whether a variable stands for a header field.
func isHeader(name string) bool { return len(name) >= 5 && name[:5] == "HTTP_" }

// Environ appends the complete CGI variables of the request to dst, as PEP 3333
// wants them, whichever protocol brought it: SCRIPT_NAME and PATH_INFO by the rules
// of [Facts.Path], SERVER_NAME without a port, header fields joined and left out
// as by [Head.AppendFields], HTTP fields as HTTP_*. All that the front sent beside
// is kept, in its order; of a variable that came twice the last counts.
func (h *Head) Environ(dst Vars, m Mount) (Vars, error) {
	var f Facts
	h.Facts(&f)
	script, info, err := f.Path(h, m)
	if err != nil {
		return dst, err
	}
	if info == "*" {
		info = "/"
	}
	dst = append(dst,
		Var{"REQUEST_METHOD", f.Method},
		Var{"SCRIPT_NAME", script},
		Var{"PATH_INFO", info},
		Var{"QUERY_STRING", f.Query},
		Var{"REQUEST_URI", f.URI},
		Var{"SERVER_PROTOCOL", f.Proto},
		Var{"SERVER_NAME", f.ServerName},
		Var{"SERVER_PORT", f.ServerPort},
		Var{"REMOTE_ADDR", f.RemoteAddr},
		Var{"REMOTE_PORT", f.RemotePort},
		Var{"CONTENT_TYPE", f.ContentType},
		Var{"CONTENT_LENGTH", f.ContentLength},
	)
	j := joiner{start: len(dst)}
	if h.Protocol == HTTP {
		if f.Secure {
			dst = append(dst, Var{"HTTPS", "on"})
		}
		return h.environFields(dst, &j), nil
	}
	for i := range h.Vars {
		v := &h.Vars[i]
		switch {
		case isHeader(v.Name):
			if key, ok := FieldName(v.Name); ok && passes(key) {
				dst = j.add(dst, v.Name, v.Value)
			}
		case v.Name == "SCRIPT_FILENAME":
			dst = j.set(dst, v.Name, ScriptFilename(v.Value))
		case !fixed(v.Name):
			dst = j.set(dst, v.Name, v.Value)
		}
	}
	return j.done(dst), nil
}

// ScriptFilename is the path in SCRIPT_FILENAME. Apache puts its own address of the
// application in front of it, and at times the query behind:
// proxy:fcgi://127.0.0.1:9000/srv/shop/index.php?q=1.
func ScriptFilename(s string) string {
	rest := strings.TrimPrefix(s, "proxy:")
	for _, scheme := range [...]string{"fcgi://", "balancer://"} {
		if after, ok := strings.CutPrefix(rest, scheme); ok {
			_, path, ok := strings.Cut(after, "/")
			if path, _, _ = strings.Cut(path, "?"); !ok {
				return ""
			}
			return "/" + path
		}
	}
	return s
}

// environFields adds the fields of an HTTP head as variables.
func (h *Head) environFields(dst []Var, j *joiner) []Var {
	for i := range h.Vars {
		v := &h.Vars[i]
		name, ok := VariableName(v.Name)
		if !ok {
			continue
		}
		switch name {
		case "HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING":
			continue
		case "HTTP_HOST": // the host of an absolute target comes first (RFC 9112 section 3.2.2)
			dst = j.set(dst, name, cmp.Or(h.Host, v.Value))
			continue
		}
		dst = j.add(dst, name, v.Value)
	}
	return j.done(dst)
}

// passes reports whether a field may reach an application as a variable.
func passes(key string) bool {
	switch key {
	case "Proxy", "Transfer-Encoding", "Content-Type", "Content-Length":
		return false
	}
	return true
}

// fixed reports whether Environ has already given the variable.
func fixed(name string) bool {
	switch name {
	case "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "SERVER_PROTOCOL",
		"SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "CONTENT_TYPE", "CONTENT_LENGTH", "":
		return true
	}
	return false
}
