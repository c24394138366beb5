// The command line: one flag for each setting that has one, made from the table.

package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Flags remembers what was given on the command line, unparsed, so that it can be
// applied at every load.
type Flags struct {
	given map[string][]string // setting (or bind) -> texts, in order
	as    map[string]string   // setting -> the flag as it is called
}

// values are the texts given for a setting; nil flags have none.
func (f *Flags) values(name string) []string {
	if f == nil {
		return nil
	}
	return f.given[name]
}

// Given is the flags that were given, by setting: "workers" -> "--workers".
func (f *Flags) Given() map[string]string { return f.as }

// Last is the last text given for a setting, "" without one.
func (f *Flags) Last(setting string) string {
	if texts := f.values(setting); len(texts) > 0 {
		return texts[len(texts)-1]
	}
	return ""
}

// AddFlags defines the flags of all settings on set, and returns what will
// remember them.
func AddFlags(set *pflag.FlagSet) *Flags {
	f := &Flags{given: map[string][]string{}, as: map[string]string{}}
	set.VarP(&given{f, "bind", "bind", List, "ADDRESS"}, "bind", "b", "Where to listen: unix:PATH, HOST:PORT or fd://N. May be repeated.")
	for _, s := range Settings {
		for i, name := range s.Flags {
			short := ""
			if i == 0 {
				short = s.Short
			}
			flag := set.VarPF(&given{f, s.Key(), name, s.Form, s.placeholder()}, name, short, s.usage())
			flag.Hidden = i > 0
			if s.Form == Bool {
				flag.NoOptDefVal = "true"
			}
		}
		if s.NoFlag != "" {
			flag := set.VarPF(&given{f, s.Key(), s.NoFlag, negated, "bool"}, s.NoFlag, "", "The opposite of --"+s.Flags[0]+".")
			flag.NoOptDefVal = "true"
		}
	}
	return f
}

// Key names a setting across blocks; group is both a setting of its own and one of
// listen blocks.
func (s *Setting) Key() string {
	if s.Block == Top || s.Block == InApp {
		return s.Name
	}
	return string(s.Block) + "." + s.Name
}

// FlagOf is the flag of a setting, without dashes, "" where there is none: some settings
// and their flags have names of their own, as gunicorn's have.
func FlagOf(setting string) string {
	for _, s := range Settings {
		if s.Name == setting && len(s.Flags) > 0 {
			return s.Flags[0]
		}
	}
	return ""
}

// negated is the form of a --no-... flag.
const negated Form = -1

// given is a pflag.Value that only remembers.
type given struct {
	flags *Flags
	key   string
	name  string
	form  Form
	what  string // see Type
}

func (g *given) String() string { return "" }

// Type is what the help shows behind the flag.
func (g *given) Type() string { return g.what }

// placeholder stands for the value in the help.
func (s *Setting) placeholder() string {
	switch {
	case s.Form == Bool:
		return "bool" // which package pflag leaves out
	case s.Form == Int:
		return "N"
	case s.Form == Size:
		return "SIZE"
	case s.Form == Duration:
		return "TIME"
	case s.Form == Map:
		return "NAME=VALUE"
	case s.Path:
		return "PATH"
	}
	return "TEXT"
}

// usage is what the help says of the flags: as the manual, with the default. It has no
// backquotes, in which package pflag would see a placeholder.
func (s *Setting) usage() string {
	text := s.Doc
	if s.OneOf != nil {
		text += " One of " + orList(s.OneOf) + "."
	}
	d := s.defaultText()
	if plain, err := strconv.Unquote(d); err == nil {
		d = plain
	}
	switch d {
	case "", "0", "0s", "false":
	default:
		text += " (default " + d + ")"
	}
	return strings.ReplaceAll(text, "`", "")
}

func (g *given) Set(text string) error {
	switch {
	case g.form == negated:
		on, err := parseBool(text)
		if err != nil {
			return err
		}
		if on {
			text = "false"
		} else {
			text = "true"
		}
	}
	if g.form != List && g.form != Map {
		g.flags.given[g.key] = nil // the last one counts
	}
	g.flags.given[g.key] = append(g.flags.given[g.key], text)
	g.flags.as[g.key] = "--" + g.name
	return nil
}

// readFlags applies the command line to everything but listeners.
func (l *loader) readFlags() {
	for _, s := range Settings {
		if s.Block == Top || s.Block == InApp {
			l.fromFlags(s, place{s.Block, l.c, ""})
		}
	}
}

func (l *loader) fromFlags(s *Setting, p place) {
	if texts := l.source.Flags.values(s.Key()); len(texts) > 0 {
		l.apply(s, p, texts, Origin{Layer: FromFlags, Name: l.source.Flags.as[s.Key()]})
	}
}

// ResolveFlag finds the flag that name means: itself, or the only one that begins
// so (--max-requests-j). Underscores are dashes. Hidden aliases of the same setting
// do not make a prefix ambiguous. When nothing fits, name comes back unchanged
// with all flags that it could mean.
func ResolveFlag(set *pflag.FlagSet, name string) (string, []string) {
	dashed := strings.ReplaceAll(name, "_", "-")
	var fits []string
	exact := false
	set.VisitAll(func(f *pflag.Flag) {
		if f.Name == dashed {
			exact = true
		}
		if strings.HasPrefix(f.Name, dashed) && !f.Hidden {
			fits = append(fits, f.Name)
		}
	})
	if exact {
		return dashed, nil
	}
	slices.Sort(fits)
	if len(fits) == 1 {
		return fits[0], nil
	}
	return name, fits
}
