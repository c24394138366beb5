// What one row of the table of settings says.

package config

// Block is the place in appd.hcl where a setting is written.
type Block string

// The blocks. Top is the file outside any block.
const (
	Top      Block = ""
	InApp    Block = "app"
	InListen Block = "listen"
	InHook   Block = "hook"
	InAdmin  Block = "admin"
	InNginx  Block = "nginx"
	InStatic Block = "static"
)

// Form is how a value is spelled.
type Form int

// The forms.
const (
	Bool     Form = iota
	Int           // a whole number
	Size          // bytes, or a string with a unit: "512MiB"
	Duration      // seconds, or a string with a unit: "1m30s"
	Text          // a string
	List          // strings; one string with commas is a list too
	Words         // a command: its name and its arguments
	Map           // names and values
	Bits          // permission bits in octal, as a string: "0660"
)

// String names the form as the manual does.
func (f Form) String() string {
	return [...]string{"true or false", "number", "size", "duration", "string", "list of strings", "command", "map", "octal string"}[f]
}

// withArticle is String as part of a sentence.
func (f Form) withArticle() string {
	switch f {
	case Bool:
		return f.String()
	case Bits:
		return "an " + f.String()
	}
	return "a " + f.String()
}

// Setting is one row: everything that appd knows about one name.
type Setting struct {
	Name  string
	Block Block
	Form  Form

	Default  string   // as it would be written; "" = the zero value or Computed
	Computed string   // how the default is found, in words, where it is not a constant
	Flags    []string // long names without dashes, the preferred one first; aliases after it
	Short    string   // one letter
	NoFlag   string   // a flag that switches a boolean off

	Inside  bool // concerns the inside of a worker: a program may choose it in code
	Python  bool // wsgi applications only
	Upgrade bool // a reload refuses a change and names `appd upgrade`
	Path    bool // a path (or paths); relative ones start at the folder of the file

	OneOf    []string // allowed values, where they are few
	Min, Max int64    // allowed range of numbers, sizes (bytes) and durations (seconds); Max 0 = none

	Doc string // one or two sentences for the manual

	field func(at any) any // the pointer to the value in the struct that holds it
}

// Env is the variable that sets s, or "" where there is none. A setting with a
// flag has one.
func (s *Setting) Env() string {
	if len(s.Flags) == 0 || s.Name == "env" {
		return ""
	}
	return "APPD_" + upper(s.Name)
}

// place is a struct that holds settings: its block, a pointer to it, its label.
type place struct {
	block Block
	at    any
	label string
}

// Settings is the whole table, in the order of the manual.
var Settings = join(appSettings, listenSettings, processSettings, limitSettings, logSettings, devSettings, otherBlocks)

func join(lists ...[]Setting) (all []*Setting) {
	for _, l := range lists {
		for i := range l {
			all = append(all, &l[i])
		}
	}
	return all
}

// lookup finds a setting of a block.
func lookup(b Block, name string) *Setting {
	for _, s := range Settings {
		if s.Block == b && s.Name == name {
			return s
		}
	}
	return nil
}

// on gives the typed way to a field the shape that the table wants.
func on[T any](f func(*T) any) func(any) any { return func(at any) any { return f(at.(*T)) } }
