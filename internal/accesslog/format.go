// The format language: gunicorn's, whose atoms stand in Python's % formatting.

package accesslog

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// JSON is the format that is not a format string: one JSON object a line.
const JSON = "json"

// Format is a compiled format. It is immutable.
type Format struct {
	steps []step
	wants wants // variables of the request that the steps need
	json  bool
}

// step appends a literal text or one atom.
type step struct {
	do     atom
	text   string // of a literal; name of an answer's field or of an own variable
	want   int    // index into the values found for wants
	also   int    // of user: index of the Authorization field
	quoted bool   // the atom stands between quotes
}

// atom is what a step appends.
type atom uint8

const (
	literal     atom = iota
	remote           // h
	dash             // l
	user             // u
	clock            // t
	requestLine      // r
	method           // m
	path             // U
	query            // q
	proto            // H
	status           // s
	bytesOrDash      // b
	bytesSent        // B
	variable         // f, a, {x}i, {x}e
	field            // {x}o
	own              // {appd.x}e
	requestID        // {x-request-id}i
	seconds          // T
	millis           // M
	micros           // D
	decimal          // L
	process          // p
)

var letters = map[string]atom{
	"h": remote, "l": dash, "u": user, "t": clock, "r": requestLine, "m": method,
	"U": path, "q": query, "H": proto, "s": status, "b": bytesOrDash, "B": bytesSent,
	"T": seconds, "M": millis, "D": micros, "L": decimal, "p": process,
}

// ownVariables are the names of {x}e that appd itself knows.
var ownVariables = []string{"appd.worker_id", "appd.generation", "appd.request_id", "appd.protocol"}

// Compile reads a format string. An error names the place, counted in bytes from 1,
// and what may stand there.
func Compile(format string) (*Format, error) {
	f := &Format{json: format == JSON}
	if f.json {
		f.wants.json()
		return f, nil
	}
	rest, quoted := format, false
	for rest != "" {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			i = len(rest)
		}
		f.literal(rest[:i])
		quoted = quoted != (strings.Count(rest[:i], `"`)%2 == 1)
		if rest = rest[i:]; rest == "" {
			break
		}
		name, size, err := directive(rest)
		if err == nil {
			err = f.directive(name, quoted)
		}
		if err != nil {
			return nil, fmt.Errorf("accesslog: byte %d of the format: %w", len(format)-len(rest)+1, err)
		}
		rest = rest[size:]
	}
	f.literal("\n")
	return f, nil
}

// directive returns the name in %(name)s, or "%" for %%, and how long it is.
func directive(s string) (name string, size int, err error) {
	if strings.HasPrefix(s, "%%") {
		return "%", 2, nil
	}
	end := strings.IndexByte(s, ')')
	if len(s) < 2 || s[1] != '(' || end < 0 {
		return "", 0, fmt.Errorf("after %% stands (NAME)s, or another %%")
	}
	if end+1 == len(s) || s[end+1] != 's' && s[end+1] != 'd' {
		return "", 0, fmt.Errorf("%s must end with s", s[:end+1])
	}
	return s[2:end], end + 2, nil
}

func (f *Format) literal(text string) {
	if text == "" {
		return
	}
	if n := len(f.steps); n > 0 && f.steps[n-1].do == literal {
		f.steps[n-1].text += text
		return
	}
	f.steps = append(f.steps, step{do: literal, text: text})
}

func (f *Format) directive(name string, quoted bool) error {
	if name == "%" {
		f.literal("%")
		return nil
	}
	s := step{do: letters[name], quoted: quoted}
	switch {
	case name == "f":
		s.do, s.want = variable, f.wants.header("referer")
	case name == "a":
		s.do, s.want = variable, f.wants.header("user-agent")
	case strings.HasPrefix(name, "{"):
		if err := f.named(&s, name); err != nil {
			return err
		}
	case s.do == literal:
		return fmt.Errorf("there is no %%(%s)s; there are h l u t r m U q H s b B f a T M D L p, {NAME}i, {NAME}o and {NAME}e", name)
	case s.do == user:
		s.want, s.also = f.wants.user()
	}
	f.steps = append(f.steps, s)
	return nil
}

// named fills in a step for {x}i, {x}o or {x}e.
func (f *Format) named(s *step, name string) error {
	inner, kind, ok := strings.Cut(name[1:], "}")
	if !ok || inner == "" || strings.ContainsFunc(inner, unicode.IsControl) || kind != "i" && kind != "o" && kind != "e" {
		return fmt.Errorf("%%(%s)s must be {NAME}i for a field of the request, {NAME}o of the answer, or {NAME}e for a variable", name)
	}
	inner = strings.ToLower(inner)
	s.do = variable
	switch {
	case kind == "o":
		s.do, s.text = field, inner
	case kind == "i" && inner == "x-request-id":
		s.do = requestID
	case kind == "i":
		s.want = f.wants.header(inner)
	default:
		f.environ(s, inner)
	}
	return nil
}

// environ fills in a step for {x}e. What only other protocols carry as a variable
// is taken from where HTTP has it.
func (f *Format) environ(s *step, name string) {
	if slices.Contains(ownVariables, name) {
		s.do, s.text = own, name
		return
	}
	switch name {
	case "request_method":
		s.do = method
	case "server_protocol":
		s.do = proto
	case "query_string":
		s.do = query
	case "remote_addr":
		s.do = remote
	case "content_type", "content_length":
		s.want = f.wants.header(strings.ReplaceAll(name, "_", "-"))
	default:
		if header, ok := strings.CutPrefix(name, "http_"); ok {
			s.want = f.wants.header(strings.ReplaceAll(header, "_", "-"))
		} else {
			s.want = f.wants.variable(name)
		}
	}
}
