// What is wrong with a configuration, and how it is shown.

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong, with the way out.
type Fault struct {
	Origin Origin
	Text   string // "workers must be at least 1"
	Way    string // what to do; may have several lines
}

// Faults is everything that is wrong, in the order of the source. As an error it
// is what the user gets to read.
type Faults []Fault

// Error shows each fault with its place, the line and a caret under the spot.
func (fs Faults) Error() string {
	var b strings.Builder
	for i, f := range fs {
		if i > 0 {
			b.WriteByte('\n')
		}
		f.write(&b)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const indent = "        "

func (f Fault) write(b *strings.Builder) {
	switch f.Origin.Layer {
	case FromFile:
		r := f.Origin.Range
		fmt.Fprintf(b, "%s:%d:%d: %s\n", r.Filename, r.Start.Line, r.Start.Column, f.Text)
		if f.Origin.Line != "" {
			fmt.Fprintf(b, "%s%s\n%s%s^\n", indent, f.Origin.Line, indent, blanks(f.Origin.Line, r.Start.Column-1))
		}
	case FromEnv, FromFlags:
		fmt.Fprintf(b, "%s: %s\n", f.Origin, f.Text)
	default:
		fmt.Fprintf(b, "%s\n", f.Text)
	}
	if f.Way != "" {
		fmt.Fprintf(b, "%s%s\n", indent, strings.ReplaceAll(f.Way, "\n", "\n"+indent))
	}
}

// blanks is as wide as the first n characters of line; tabs stay tabs, so that the
// caret stands right whatever a terminal makes of them.
func blanks(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// sort puts faults into the order of the source: file, environment, command line,
// and what stands nowhere last.
func (fs Faults) sort() {
	layer := func(f Fault) Layer {
		if f.Origin.Layer < FromFile {
			return FromFlags + 1
		}
		return f.Origin.Layer
	}
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(layer(a), layer(b)),
			strings.Compare(a.Origin.Range.Filename, b.Origin.Range.Filename),
			cmp.Compare(a.Origin.Range.Start.Byte, b.Origin.Range.Start.Byte),
		)
	})
}
