package migrate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/appd-server/appd/internal/config"
)

// TestImports imports each file of testdata, compares what is written and reported
// with the file beside it, and lets the configuration read the result.
// APPD_UPDATE=1 rewrites the expectations.
func TestImports(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			d := importFile(t, path)
			got := string(d.HCL()) + "\n---\n" + d.Report()
			golden := strings.Split(path, ".in.")[0] + ".out"
			if os.Getenv("APPD_UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs. Got:\n%s", golden, got)
			}
			readBack(t, d)
		})
	}
}

func importFile(t *testing.T, path string) *Draft {
	t.Helper()
	var d *Draft
	var err error
	if strings.HasSuffix(path, ".py") {
		d, err = Gunicorn(t.Context(), path, "python3", "")
	} else {
		d, err = UWSGI(path, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// readBack makes sure that what was written is a right configuration, as far as
// this machine can tell: folders, users, root and interpreters need not be here.
func readBack(t *testing.T, d *Draft) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "appd.hcl")
	if err := os.WriteFile(file, d.HCL(), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(config.Source{File: file, Environ: []string{}})
	faults, _ := err.(config.Faults)
	for _, f := range faults {
		elsewhere := slices.ContainsFunc([]string{"there is no application", "no such file", "there is no user", "there is no group", "only root may run workers as"},
			func(text string) bool { return strings.Contains(f.Text, text) })
		if !elsewhere {
			t.Errorf("what was written is wrong: %s\n%s", f.Text, d.HCL())
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"broken.py": "workers = \n",
		"none.ini":  "[other]\nx = 1\n",
		"loop.ini":  "[uwsgi]\nini = :uwsgi\n",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(name, ".py") {
			_, err = Gunicorn(t.Context(), path, "python3", "")
		} else {
			_, err = UWSGI(path, "")
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v does not name the file", name, err)
		}
	}
}
