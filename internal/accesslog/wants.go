// Finding the variables that a format needs in one pass over the request's head.

package accesslog

import (
	"strings"

	"github.com/appd-server/appd/protocols/cgi"
)

// wants are the variables of a request that a format shows. A request has some
// twenty variables and a format shows three of them, so most are passed over by the
// length of their names.
type wants struct {
	names []want
	cgi   lengths
	http  lengths
}

// lengths tells whether a name of a length is wanted, 255 standing for more.
type lengths [256]bool

// want is one variable, spelled as it mostly is on the wire.
type want struct {
	cgi  string // HTTP_USER_AGENT
	http string // User-Agent, "" for what is no field of HTTP
}

// header wants a field of the request, given in lower case.
func (w *wants) header(name string) int {
	spelled := strings.ReplaceAll(name, "-", "_")
	if name != "content-type" && name != "content-length" {
		spelled = "http_" + spelled
	}
	return w.add(want{strings.ToUpper(spelled), canonical(name)})
}

func (w *wants) variable(name string) int { return w.add(want{strings.ToUpper(name), ""}) }

// canonical is the usual spelling of a field's name: User-Agent.
func canonical(name string) string {
	b, first := []byte(name), true
	for i, c := range b {
		if first && 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
		first = c == '-'
	}
	return string(b)
}

// user wants what tells the user: the variable, or else the field.
func (w *wants) user() (variable, authorization int) {
	return w.variable("remote_user"), w.header("authorization")
}

// Indices of what a JSON line shows.
const (
	jsonUser = iota
	jsonAuthorization
	jsonHost
	jsonReferer
	jsonAgent
)

// json wants what a JSON line shows, in the order of the indices above.
func (w *wants) json() {
	w.user()
	w.header("host")
	w.header("referer")
	w.header("user-agent")
}

func (w *wants) add(n want) int {
	for i := range w.names {
		if w.names[i] == n {
			return i
		}
	}
	w.names = append(w.names, n)
	w.cgi[min(len(n.cgi), 255)] = true
	w.http[min(len(n.http), 255)] = true
	return len(w.names) - 1
}

// found holds the values in the order of wants; given tells an empty one from none.
type found struct {
	values []string
	given  []bool
}

// find looks for everything that is wanted. Of several fields the last counts, as
// in gunicorn.
func (w *wants) find(h *cgi.Head, into *found) {
	n := len(w.names)
	if cap(into.values) < n {
		into.values, into.given = make([]string, n), make([]bool, n)
	}
	into.values, into.given = into.values[:n], into.given[:n]
	clear(into.values)
	clear(into.given)
	if h == nil || n == 0 {
		return
	}
	lengths := &w.cgi
	if h.Protocol == cgi.HTTP {
		lengths = &w.http
	}
	for i := range h.Vars {
		if v := &h.Vars[i]; lengths[min(len(v.Name), 255)] {
			w.match(h.Protocol, v, into)
		}
	}
}

// match keeps the value of v if it is wanted. The last letter tells most names of
// one length apart.
func (w *wants) match(p cgi.Protocol, v *cgi.Var, into *found) {
	for i := range w.names {
		name := w.names[i].cgi
		if p == cgi.HTTP {
			name = w.names[i].http
		}
		if n := len(name); n > 0 && n == len(v.Name) && name[n-1]|0x20 == v.Name[n-1]|0x20 && (name == v.Name || strings.EqualFold(name, v.Name)) {
			into.values[i], into.given[i] = v.Value, true
		}
	}
}

// forget lets go of the request's memory.
func (f *found) forget() {
	clear(f.values)
}
