// Interpreters: those that are refused by name, a virtual environment, other versions.

package python_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
)

// Interpreters that the engine is not made for are refused before it is loaded into
// them. Each is played by an ordinary one that says of itself what that one says.
func TestUnfitInterpreters(t *testing.T) {
	for name, c := range map[string]struct{ pose, want string }{
		"free-threaded": {"sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1", "free-threaded CPython is not supported: use the ordinary build"},
		"musl":          {"sysconfig.get_config_vars()['SOABI'] = 'cpython-312-x86_64-linux-musl'", "interpreters on musl are not supported: use one on glibc"},
		"musl before 3.11": {"sysconfig.get_config_vars().update(SOABI='cpython-39-x86_64-linux-gnu', HOST_GNU_TYPE='x86_64-pc-linux-musl')",
			"interpreters on musl are not supported: use one on glibc"},
		"PyPy":        {"sys.implementation.name = 'pypy'", "it needs CPython 3.9 or newer, and this is pypy 3."},
		"CPython 3.8": {"sys.version_info, sys.version = (3, 8, 19), '3.8.19 (main)'", "it needs CPython 3.9 or newer, and this is cpython 3.8.19"},
		"no gevent":   {"sys.modules['gevent'] = None", `worker_class = "gevent" needs the package gevent in /usr/bin/python3`},
	} {
		for _, preload := range []bool{false, true} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "sitecustomize.py"), []byte("import sys, sysconfig\n"+c.pose+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			w := launch(t, options{
				files: map[string]string{"app.py": "raise ValueError('the application was imported')\n"},
				env:   []string{"PYTHONPATH=" + dir},
				change: func(h *handoff.Handoff) {
					h.Python.Preload = preload
					if name == "no gevent" {
						h.Python.WorkerClass = "gevent"
					}
				},
			})
			if m := w.await(handoff.Failed); m.Kind != handoff.Failed || !strings.Contains(m.Text, c.want) || strings.Contains(m.Text, "\n") {
				t.Errorf("%s, preload %v: %s %q", name, preload, m.Kind, m.Text)
			}
			if err := w.ended(); err == nil || w.cmd.ProcessState.ExitCode() != 3 {
				t.Errorf("%s, preload %v: %v", name, preload, w.cmd.ProcessState)
			}
		}
	}
}

// The interpreter of a virtual environment finds the packages that are only there,
// and the application finds itself where it was told to be.
func TestVirtualEnvironment(t *testing.T) {
	venv := filepath.Join(t.TempDir(), "venv")
	if out, err := exec.Command(interpreter, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lib, err := filepath.Glob(venv + "/lib/python3.*/site-packages")
	if err != nil || len(lib) != 1 {
		t.Fatalf("site-packages: %q, %v", lib, err)
	}
	if err := os.WriteFile(lib[0]+"/only_here.py", []byte("where = 'venv'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := start(t, options{python: venv + "/bin/python", files: map[string]string{"app.py": `
import only_here, sys
def application(environ, start_response):
    start_response("200 OK", [])
    return [("%s %s" % (only_here.where, sys.prefix)).encode()]
`}})
	if _, body := w.get("/"); body != "venv "+venv {
		t.Errorf("%q", body)
	}
}

// Every interpreter of PATH that is not Debian's own version can serve.
func TestOtherVersions(t *testing.T) {
	for _, name := range []string{"python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue // which versions a machine has is its own business
		}
		out, err := exec.Command(path, "-c", "import sys; print(sys.version)").Output()
		if err != nil || !regexp.MustCompile(`^3\.`).Match(out) {
			continue // a name without an interpreter behind it
		}
		t.Run(name, func(t *testing.T) {
			w := suite(t, options{python: path})
			if status, body := w.get("/many"); status != 201 || body != "one two three" {
				t.Errorf("%d %q", status, body)
			}
			if status, body := w.get("/error_page"); status != 500 || body != "replaced" {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}
