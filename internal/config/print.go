// The effective configuration with the place each value came from.

package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/appd-server/appd/internal/handoff"
)

// Print writes every effective setting and where it came from. chosen is what a
// worker said when it was ready, nil if none was asked: what differs from what was
// handed over was set in code.
func (c *Config) Print(w io.Writer, chosen *handoff.Settings) error {
	var b strings.Builder
	inNginx := false
	for i, p := range c.places {
		if inNginx && p.block != InStatic {
			b.WriteString("}\n")
			inNginx = false
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		lines := columns(c.printed(p, chosen))
		switch p.block {
		case Top:
		case InNginx:
			lines = p.opening() + "\n" + lines
			inNginx = true // static blocks stand in it
		case InStatic:
			lines = "  " + strings.ReplaceAll(p.opening()+"\n"+lines, "\n", "\n  ") + "}\n"
		default:
			lines = p.opening() + "\n" + lines + "}\n"
		}
		b.WriteString(lines)
	}
	if inNginx {
		b.WriteString("}\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// row is one printed setting.
type row struct{ name, value, from string }

// columns aligns rows. A value that is much longer than others does not move them.
func columns(rows []row) string {
	const wide = 32
	names, values := 0, 0
	for _, r := range rows {
		names = max(names, len(r.name))
		if len(r.value) <= wide {
			values = max(values, len(r.value))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s = %-*s  # %s\n", names, r.name, values, r.value, r.from)
	}
	return b.String()
}

func (p place) opening() string {
	if p.label == "" {
		return string(p.block) + " {"
	}
	return fmt.Sprintf("%s %s {", p.block, Quote(p.label))
}

// printed are the rows of one block.
func (c *Config) printed(p place, chosen *handoff.Settings) (rows []row) {
	margin := ""
	if p.block != Top {
		margin = "  "
	}
	for _, s := range Settings {
		if s.Block != p.block || s.Name == "check_config" || s.Name == "print_config" {
			continue
		}
		field := s.field(p.at)
		if c.leaveOut(s, p, field) {
			continue
		}
		value, from := s.format(field), c.Where(field)
		if code, ok := c.chosenInCode(field, chosen); ok {
			value, from = s.format(code), Origin{Layer: FromCode}
		}
		rows = append(rows, row{margin + s.Name, value, from.String()})
	}
	return rows
}

// leaveOut drops what this kind of application, or of listener, does not have: written
// down it would be an error.
func (c *Config) leaveOut(s *Setting, p place, field any) bool {
	if c.Written(field) {
		return false
	}
	for _, k := range c.kinds() {
		if k.ptr == field {
			return true
		}
	}
	kind := c.App.Kind
	switch s.Name {
	case "worker_class":
		return kind != WSGI
	case "build_flags":
		return kind != Go
	case "ready_after", "stop_signal":
		return kind.Contract()
	case "mode", "owner", "group":
		_, file := IsUnix(p.label)
		return !file && (p.block == InListen || p.block == InAdmin)
	}
	return s.Python && kind != WSGI
}

// chosenInCode finds the value of a field of c.Worker in what the worker said, when
// it differs.
func (c *Config) chosenInCode(field any, chosen *handoff.Settings) (any, bool) {
	if chosen == nil || c.Written(field) {
		return nil, false
	}
	ours, theirs := reflect.ValueOf(&c.Worker).Elem(), reflect.ValueOf(chosen).Elem()
	for i := range ours.NumField() {
		if ours.Field(i).Addr().Interface() == field && !reflect.DeepEqual(ours.Field(i).Interface(), theirs.Field(i).Interface()) {
			return theirs.Field(i).Addr().Interface(), true
		}
	}
	return nil, false
}
