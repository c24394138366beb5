// uWSGI's .ini files: sections that include each other, and placeholders.

package migrate

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type option struct{ name, value string }

// ini is the options of a file, and of what it includes, in their order.
type ini struct {
	path    string
	options []option
	used    []string // names that placeholders refer to
}

// maxIncludes bounds files that include each other.
const maxIncludes = 20

// readINI reads the [uwsgi] section and fills the placeholders in.
func readINI(path string) (*ini, error) {
	f := &ini{path: path}
	if err := f.read(path, "uwsgi", maxIncludes); err != nil {
		return nil, err
	}
	for i := range f.options {
		f.options[i].value = f.fill(f.options[i].value, maxIncludes)
	}
	return f, nil
}

// read appends the options of a section.
func (f *ini) read(path, section string, depth int) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	in, seen := false, false
	lines := bufio.NewScanner(bytes.NewReader(src))
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case text[0] == '[':
			in = strings.TrimSuffix(text, "]") == "["+section
			seen = seen || in
		case in:
			if err := f.line(text, path, depth); err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
	}
	if !seen {
		return fmt.Errorf("%s has no [%s] section", path, section)
	}
	return lines.Err()
}

// line appends one option. A name alone means true.
func (f *ini) line(text, path string, depth int) error {
	name, value, ok := strings.Cut(text, "=")
	name, value = strings.ReplaceAll(strings.TrimSpace(name), "_", "-"), strings.TrimSpace(value)
	if !ok {
		value = "true"
	}
	switch name {
	case "ini", "include", "inherit":
		return f.include(f.fill(value, maxIncludes), path, depth)
	case "set", "set-placeholder", "set-ph":
		name, value, _ = strings.Cut(value, "=")
		f.used = append(f.used, name)
	}
	f.options = append(f.options, option{name, magic(value, path)})
	return nil
}

// include reads FILE, FILE:SECTION or :SECTION of the same file.
func (f *ini) include(target, path string, depth int) error {
	file, section, _ := strings.Cut(target, ":")
	if section == "" {
		section = "uwsgi"
	}
	switch {
	case depth == 0:
		return fmt.Errorf("%s: the files include each other without end", target)
	case file == "":
		file = path
	case !filepath.IsAbs(file):
		file = filepath.Join(filepath.Dir(path), file)
	}
	return f.read(file, section, depth-1)
}

var (
	placeholder = regexp.MustCompile(`%\(([^()]*)\)`)
	variable    = regexp.MustCompile(`\$\(([^()]*)\)`)
	sum         = regexp.MustCompile(`^\s*(\S+?)\s*(\+\+|[-+*/])\s*(\S+)\s*$`)
)

// fill replaces %(NAME), %(NAME + 1) and $(VARIABLE).
func (f *ini) fill(value string, depth int) string {
	if depth == 0 {
		return value
	}
	value = variable.ReplaceAllStringFunc(value, func(s string) string { return os.Getenv(variable.FindStringSubmatch(s)[1]) })
	return placeholder.ReplaceAllStringFunc(value, func(s string) string {
		inner := placeholder.FindStringSubmatch(s)[1]
		if v, ok := f.lookup(inner, depth); ok {
			return v
		}
		m := sum.FindStringSubmatch(inner)
		if m == nil {
			return s
		}
		a, b := f.operand(m[1], depth), f.operand(m[3], depth)
		return calculate(a, m[2], b)
	})
}

func (f *ini) operand(name string, depth int) string {
	if v, ok := f.lookup(name, depth); ok {
		return v
	}
	return name
}

func (f *ini) lookup(name string, depth int) (string, bool) {
	plain := strings.ReplaceAll(name, "_", "-")
	i := slices.IndexFunc(f.options, func(o option) bool { return o.name == plain })
	if i < 0 {
		return "", false
	}
	f.used = append(f.used, plain)
	return f.fill(f.options[i].value, depth-1), true
}

// calculate is uWSGI's arithmetic: whole numbers, and ++ which joins.
func calculate(a, operator, b string) string {
	x, y := number(a), number(b)
	switch operator {
	case "++":
		return a + b
	case "+":
		x += y
	case "-":
		x -= y
	case "*":
		x *= y
	case "/":
		if y != 0 {
			x /= y
		}
	}
	return strconv.Itoa(x)
}

// number is the digits at the beginning of text, as C reads them.
func number(text string) int {
	text = strings.TrimSpace(text)
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	n, _ := strconv.Atoi(text[:i])
	return n
}

// magic replaces the variables of one letter that say something about the file and
// the machine.
func magic(value, path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		full = path
	}
	base := filepath.Base(full)
	host, _ := os.Hostname()
	who, _ := user.Current()
	if who == nil {
		who = new(user.User)
	}
	extension := filepath.Ext(base)
	return strings.NewReplacer(
		"%%", "%", "%(", "%(", "%d", filepath.Dir(full)+"/", "%p", full, "%s", base, "%n", strings.TrimSuffix(base, extension),
		"%e", strings.TrimPrefix(extension, "."), "%c", filepath.Base(filepath.Dir(full)), "%h", host, "%u", who.Uid, "%U", who.Username,
		"%g", who.Gid, "%x", "uwsgi",
	).Replace(value)
}
