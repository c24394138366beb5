// What a codec is told, and the limits that follow.

package http1

import "github.com/appd-server/appd/protocols/cgi"

// Config is what the connections of one listener have in common. It must not be
// changed while a codec uses it.
type Config struct {
	// Limits bound a head. Zero fields mean the defaults; a negative one means no
	// limit of its own, so that only maxHead counts.
	Limits cgi.Limits

	// Proxy says that every connection begins with a PROXY preamble, version 1 or
	// 2. One without it is refused: who could leave it out could also forge it.
	Proxy bool

	// Trust says whose forwarded fields are believed; nil is nobody's.
	Trust *Trust
}

// The defaults of [cgi.Limits], which are gunicorn's, and what no setting exceeds.
const (
	defaultLine      = 4094
	defaultFields    = 100
	defaultFieldSize = 8190

	maxLine   = 8190
	maxFields = 32768
	maxHead   = 1 << 20 // bytes of a whole head, also where everything is unlimited
)

// line, fields and fieldSize are the limits in force.
func (c *Config) line() int      { return limit(c.Limits.Line, defaultLine, maxLine) }
func (c *Config) fields() int    { return limit(c.Limits.Fields, defaultFields, maxFields) }
func (c *Config) fieldSize() int { return limit(c.Limits.FieldSize, defaultFieldSize, maxHead) }

func limit(set, byDefault, most int) int {
	switch {
	case set == 0:
		return byDefault
	case set < 0 || set > most:
		return most
	}
	return set
}
