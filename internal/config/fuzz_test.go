package config

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// FuzzLoad reads anything as a file. There is either an error, or a configuration; what
// was written of that is printed so that it can be read, and has the same values then.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		minimal,
		"app {\n  wsgi = \"a:b\"\n  env = { A = env(\"HOME\", \"x\") }\n}\nlisten \"127.0.0.1:80\" { protocol = \"http\" }\nworkers = 2 * cpus() + 1\ntimeout = \"30s\"\n",
		"app { go = \"./cmd/shop\" }\nlisten \"unix:/run/x\" { mode = \"0660\" }\nnginx {\n  listen = \"8080\"\n  static \"/s/\" { root = \"/srv\" }\n}\n",
		"app {\n command = [\"a\\u0007\\u007f\", \"$${x} %%{y}\", \"\\U0001F600\\\\\\n\"]\n env = { \"A.B\" = \"#\", \"0\" = \"\", C = \"a  # b\" }\n}\nlisten \"unix:@x y\" { front = \"caddy\" }\nmax_memory = \"1.5KiB\"\nmax_age = \"1.5h\"\nkeepalive = 0.25\n",
		"app { go = \".0\" }\nlisten \"unix\" {}\n",
		"app { command = [1] }\nlisten 5 {}\nworkerz = \"\"\nhook \"when_ready\" { command = [] }\nadmin \"x\" {}\n",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		s := Source{Environ: []string{}, Dir: dir, File: filepath.Join(dir, "appd.hcl")}
		if err := os.WriteFile(s.File, text, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := Load(s)
		if (c == nil) == (err == nil) {
			t.Fatalf("Load = %v, %v", c, err)
		}
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a word")
			}
			return
		}
		first := printed(t, c)
		if err := os.WriteFile(s.File, []byte(first), 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := Load(s)
		if err != nil {
			t.Fatalf("%s\nis printed as\n%s\nwhich is not read: %v", text, first, err)
		}
		if second := printed(t, again); second != first {
			t.Errorf("printed\n%s\nagain\n%s", first, second)
		}
	})
}

// printed is what was written in the file, without the places.
func printed(t *testing.T, c *Config) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.Print(&out, nil); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(out.String()) {
		i := strings.LastIndex(line, "  # ")
		switch {
		case i < 0:
			b.WriteString(line)
		case strings.Contains(line[i:], c.File):
			b.WriteString(strings.TrimRight(line[:i], " ") + "\n")
		}
	}
	return spaces.ReplaceAllString(b.String(), "$1 = ")
}

// spaces are what lines names up, which depends on all of them.
var spaces = regexp.MustCompile(`(?m)^( *[a-z_]+) *= `)
