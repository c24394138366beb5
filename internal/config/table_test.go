package config

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestTable holds every row against the rules of the table.
func TestTable(t *testing.T) {
	seen := map[string]string{}
	once := func(kind, name, by string) {
		t.Helper()
		if other, ok := seen[kind+name]; ok {
			t.Errorf("%s %s belongs to %s and %s", kind, name, other, by)
		}
		seen[kind+name] = by
	}
	for _, s := range Settings {
		once("setting ", string(s.Block)+"."+s.Name, s.Name)
		for _, f := range s.Flags {
			once("flag --", f, s.Name)
		}
		if s.Short != "" {
			once("flag -", s.Short, s.Name)
		}
		if s.NoFlag != "" {
			once("flag --", s.NoFlag, s.Name)
		}
		if e := s.Env(); e != "" {
			once("variable ", e, s.Name)
		}
		if !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s: the text for the manual is no sentence: %q", s.Name, s.Doc)
		}
		if s.NoFlag != "" && s.Form != Bool {
			t.Errorf("%s has a --no flag and is no boolean", s.Name)
		}
		if s.Inside && s.Block != Top && s.Block != InApp {
			t.Errorf("%s concerns the inside of a worker, so it stands at the top or in the app block", s.Name)
		}
		if _, _, ok := Foreign(s.Name); ok && s.Name != "listen" {
			t.Errorf("%s is a setting and foreign", s.Name)
		}
		checkDefault(t, s)
	}
}

// checkDefault makes sure that a default is a value of the row's form, within its
// own limits, and that it fits the field.
func checkDefault(t *testing.T, s *Setting) {
	t.Helper()
	if s.Default == "" {
		return
	}
	v, err := s.parse(s.Default)
	if err == nil {
		v, err = s.check(v)
	}
	if err != nil {
		t.Errorf("%s: default %q %v", s.Name, s.Default, err)
		return
	}
	assign(s.field(blank(s.Block)), v)
}

// TestFormatsAreRead writes values and reads them back.
func TestFormatsAreRead(t *testing.T) {
	for _, tt := range []struct {
		form Form
		text string
		want string // as it is printed
	}{
		{Bool, "yes", "true"}, {Bool, "off", "false"},
		{Int, "12", "12"},
		{Size, "512MiB", `"512MiB"`}, {Size, "512m", `"512MiB"`}, {Size, "1GB", "1000000000"}, {Size, "1.5k", "1536"}, {Size, "0", "0"},
		{Duration, "90", `"1m30s"`}, {Duration, "0.5", `"500ms"`}, {Duration, "1h", `"1h"`}, {Duration, "7d", `"168h"`}, {Duration, "1m", `"1m"`},
		{Bits, "0660", `"0660"`}, {Bits, "22", `"0022"`}, {Bits, "0o27", `"0027"`},
		{List, "a, b,,c", `["a", "b", "c"]`},
		{Words, "a  b", `["a", "b"]`},
		{Text, "${x} %{y}", `"$${x} %%{y}"`},
		{Map, "A=b=c", `{ A = "b=c" }`},
	} {
		s := &Setting{Form: tt.form}
		v, err := s.parse(tt.text)
		if err != nil {
			t.Errorf("%s %q: %v", tt.form, tt.text, err)
			continue
		}
		ptr := newField(tt.form)
		assign(ptr, v)
		if got := s.format(ptr); got != tt.want {
			t.Errorf("%s %q is printed as %s, want %s", tt.form, tt.text, got, tt.want)
		}
	}
}

func newField(f Form) any {
	c := &Config{}
	switch f {
	case Bool:
		return &c.Reload
	case Int:
		return &c.Workers
	case Size:
		return &c.MaxMemory
	case Duration:
		return &c.MaxAge
	case Bits:
		return &c.Umask
	case List, Words:
		return &c.BrowserReload
	case Map:
		return &c.App.Env
	}
	return &c.User
}

func TestFormatsAreRefused(t *testing.T) {
	for form, texts := range map[Form][]string{
		Bool:     {"maybe", "2"},
		Int:      {"", "1.5", "x", "99999999999999999999"},
		Size:     {"", "-", "1XB", "1e3", "1/2", "0.0001", "9999999999TiB", "MiB"},
		Duration: {"", "soon", "1e300", "30 parsecs", "NaN"},
		Bits:     {"", "8", "99999", "rw-r"},
		Map:      {"A", "=b", "A B=c"},
	} {
		for _, text := range texts {
			s := &Setting{Form: form}
			if v, err := s.parse(text); err == nil {
				t.Errorf("%s %q was read as %v", form, text, v)
			}
		}
	}
}

func TestResolveFlag(t *testing.T) {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(set)
	for in, want := range map[string]string{
		"workers": "workers", "thread": "thread", "max-requests-j": "max-requests-jitter", "limit_request_field_size": "limit-request-field-size",
		"graceful": "graceful-timeout", "capture": "capture-output", "nothing": "nothing",
	} {
		if got, fits := ResolveFlag(set, in); got != want {
			t.Errorf("--%s is --%s (could be %v), want --%s", in, got, fits, want)
		}
	}
	if _, fits := ResolveFlag(set, "limit-request-field"); len(fits) != 2 {
		t.Errorf("--limit-request-field could be %v, want two flags", fits)
	}
}

func TestNearest(t *testing.T) {
	all := names(Top)
	for in, want := range map[string]string{
		"wokers": "workers", "worker": "workers", "timout": "timeout", "grateful_timeout": "graceful_timeout", "umaks": "umask", "zzz": "", "x": "",
	} {
		if got := Nearest(in, all); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"unix:app.sock": "unix:/base/app.sock", "unix:/run/a": "unix:/run/a", "unix:///run/a": "unix:/run/a", "unix:@name": "unix:@name",
		"127.0.0.1:80": "127.0.0.1:80", ":80": ":80", "localhost": "localhost:8000", "[::1]:80": "[::1]:80", "[::1]": "[::1]:8000", "tcp://h:1": "h:1",
		"fd://3": "fd://3", "unix:../x": "unix:/x", "example.org:0": "example.org:0",
	} {
		if got, err := ParseAddress(in, "/base"); got != want {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "unix:", "/run/x", "8000", "http://x:1", "h:65536", "h:x", "::1:80:90:x", "fd://x", "fd://-1", "unix:/" + strings.Repeat("x", 107), "a b:1",
		"127.0.0.256:80", "unix:/run/", "unix:a\x00b", "unix", "tcp://unix:80",
	} {
		if got, err := ParseAddress(in, "/base"); err == nil {
			t.Errorf("ParseAddress(%q) = %q, want an error", in, got)
		}
	}
	if _, err := ParseAddress("unix:/"+strings.Repeat("x", 106), "/"); err != nil {
		t.Errorf("a path of 107 bytes is refused: %v", err)
	}
}
