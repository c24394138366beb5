// The appd.hcl that is being written.

package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/appd-server/appd/internal/config"
)

// Draft is an appd.hcl to be, and what did not get into it.
type Draft struct {
	From     string // the file that was read
	Lost     []Note
	Unneeded []Note

	app, top []line
	env      map[string]string
	listen   []*listen
	backlog  int
	static   []line // prefix and folder
}

// Note is a setting that was not carried over.
type Note struct {
	Name string // as it was written, with its value
	Why  string
}

type line struct{ name, value string }

type listen struct {
	address string
	lines   []line
}

// inApp are the settings that stand in the app block.
func inApp(name string) bool {
	for _, s := range config.Settings {
		if s.Block == config.InApp && s.Name == name {
			return true
		}
	}
	return false
}

// set writes a setting; value is an HCL expression.
func (d *Draft) set(name, value string) {
	list := &d.top
	if inApp(name) {
		list = &d.app
	}
	for i := range *list {
		if (*list)[i].name == name {
			(*list)[i].value = value
			return
		}
	}
	*list = append(*list, line{name, value})
}

func (d *Draft) has(name string) bool {
	is := func(l line) bool { return l.name == name }
	return slices.ContainsFunc(d.top, is) || slices.ContainsFunc(d.app, is)
}

// value is the text of a setting that was written, "" for none.
func (d *Draft) value(name string) string {
	for _, l := range slices.Concat(d.app, d.top) {
		if l.name == name {
			text, _ := strconv.Unquote(l.value)
			return text
		}
	}
	return ""
}

// lose notes a setting that could not be carried over.
func (d *Draft) lose(name, why string) { d.Lost = append(d.Lost, Note{name, why}) }

// drop notes a setting that appd does not need.
func (d *Draft) drop(name, why string) { d.Unneeded = append(d.Unneeded, Note{name, why}) }

// loseForeign notes a setting with the answer that the configuration would give.
func (d *Draft) loseForeign(shown, name string) {
	why, way, ok := config.Foreign(name)
	if !ok {
		d.lose(shown, "appd has nothing like it")
		return
	}
	d.lose(shown, why+". "+way)
}

// addListen adds an address, in appd's spelling.
func (d *Draft) addListen(address, protocol string) {
	l := &listen{address: address}
	if protocol != "" {
		l.lines = append(l.lines, line{"protocol", config.Quote(protocol)})
	}
	d.listen = append(d.listen, l)
}

// HCL is the file.
func (d *Draft) HCL() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by appd import from %s.\n\napp {\n", d.From)
	if !d.has("wsgi") {
		b.WriteString("# wsgi = \"module:callable\" # the application, which was not named\n")
	}
	writeLines(&b, d.app)
	if len(d.env) > 0 {
		b.WriteString("env = {\n")
		for _, name := range slices.Sorted(maps.Keys(d.env)) {
			fmt.Fprintf(&b, "%s = %s\n", name, config.Quote(d.env[name]))
		}
		b.WriteString("}\n")
	}
	b.WriteString("}\n")
	for _, l := range d.listen {
		fmt.Fprintf(&b, "\nlisten %s {\n", config.Quote(l.address))
		writeLines(&b, l.lines)
		if d.backlog > 0 {
			fmt.Fprintf(&b, "backlog = %d\n", d.backlog)
		}
		b.WriteString("}\n")
	}
	if len(d.top) > 0 {
		b.WriteString("\n")
		writeLines(&b, d.top)
	}
	if len(d.static) > 0 {
		b.WriteString("\nnginx {\n")
		for _, s := range d.static {
			fmt.Fprintf(&b, "static %s { alias = %s }\n", config.Quote(s.name), config.Quote(s.value))
		}
		b.WriteString("}\n")
	}
	return hclwrite.Format([]byte(b.String()))
}

// writeLines writes settings in the order of the manual.
func writeLines(b *strings.Builder, lines []line) {
	rank := func(l line) int {
		return slices.IndexFunc(config.Settings, func(s *config.Setting) bool { return s.Name == l.name })
	}
	slices.SortStableFunc(lines, func(x, y line) int { return rank(x) - rank(y) })
	for _, l := range lines {
		fmt.Fprintf(b, "%s = %s\n", l.name, l.value)
	}
}

func quoteList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = config.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// Report lists what was not carried over.
func (d *Draft) Report() string {
	var b strings.Builder
	part := func(title string, notes []Note) {
		if len(notes) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s:\n", title)
		for _, n := range notes {
			fmt.Fprintf(&b, "  %s: %s\n", n.Name, n.Why)
		}
	}
	part("could not be carried over", d.Lost)
	part("not needed", d.Unneeded)
	return b.String()
}
