// Where a value came from.

package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// Layer is a place that values come from; a later one overrides an earlier one.
type Layer int

// The layers.
const (
	FromDefault Layer = iota
	FromCode
	FromFile
	FromEnv
	FromFlags
)

// Origin is where one value was written.
type Origin struct {
	Layer Layer
	Name  string    // the variable or the flag
	Range hcl.Range // in a file
	Line  string    // the line of the file
}

// String is "default", "code", "appd.hcl:3", "environment APPD_WORKERS" or
// "command line --workers".
func (o Origin) String() string {
	switch o.Layer {
	case FromCode:
		return "code"
	case FromFile:
		return fmt.Sprintf("%s:%d", o.Range.Filename, o.Range.Start.Line)
	case FromEnv:
		return "environment " + o.Name
	case FromFlags:
		return "command line " + o.Name
	}
	return "default"
}

// Where tells where the value of a field came from; field points into c.
func (c *Config) Where(field any) Origin { return c.origins[field] }

// Written tells whether somebody wrote the field, other than in code.
func (c *Config) Written(field any) bool { return c.origins[field].Layer >= FromFile }

func (c *Config) set(field, value any, from Origin) {
	assign(field, value)
	c.origins[field] = from
}
