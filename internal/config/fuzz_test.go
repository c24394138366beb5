package config

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad reads anything as a file. There is either a configuration, which can be
// printed, or an error.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		minimal,
		"app {\n  wsgi = \"a:b\"\n  env = { A = env(\"HOME\", \"x\") }\n}\nlisten \"127.0.0.1:80\" { protocol = \"http\" }\nworkers = 2 * cpus() + 1\ntimeout = \"30s\"\n",
		"app { go = \"./cmd/shop\" }\nlisten \"unix:/run/x\" { mode = \"0660\" }\nnginx {\n  listen = \"8080\"\n  static \"/s/\" { root = \"/srv\" }\n}\n",
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
		if err := c.Print(new(bytes.Buffer), nil); err != nil {
			t.Error(err)
		}
	})
}
