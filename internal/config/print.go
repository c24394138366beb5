// The effective configuration with the place each value came from.

package config

import (
	"fmt"
	"io"
	"reflect"
	"text/tabwriter"

	"github.com/appd-server/appd/internal/handoff"
)

// Print writes every effective setting and where it came from. chosen is what a
// worker said when it was ready, nil if none was asked: what differs from what was
// handed over was set in code.
func (c *Config) Print(w io.Writer, chosen *handoff.Settings) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range c.places {
		if p.block != Top {
			fmt.Fprintf(t, "%s\n", p.opening())
		}
		c.printPlace(t, p, chosen)
		if p.block != Top {
			fmt.Fprintln(t, "}")
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func (p place) opening() string {
	if p.label == "" {
		return string(p.block) + " {"
	}
	return fmt.Sprintf("%s %s {", p.block, quote(p.label))
}

func (c *Config) printPlace(t io.Writer, p place, chosen *handoff.Settings) {
	margin := ""
	if p.block != Top {
		margin = "  "
	}
	for _, s := range Settings {
		if s.Block != p.block || s.Name == "check_config" || s.Name == "print_config" {
			continue
		}
		field := s.field(p.at)
		if c.leaveOut(s, field) {
			continue
		}
		value, from := s.format(field), c.Where(field)
		if code, ok := c.chosenInCode(field, chosen); ok {
			value, from = s.format(code), Origin{Layer: FromCode}
		}
		fmt.Fprintf(t, "%s%s\t= %s\t# %s\n", margin, s.Name, value, from)
	}
}

// leaveOut drops what this kind of application does not have.
func (c *Config) leaveOut(s *Setting, field any) bool {
	if s.Block != InApp && !s.Python {
		return false
	}
	if c.Written(field) {
		return false
	}
	for _, k := range c.kinds() {
		if k.ptr == field {
			return true
		}
	}
	return s.Python && c.App.Kind != WSGI || s.Name == "worker_class" && c.App.Kind != WSGI
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
