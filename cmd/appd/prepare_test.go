package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/supervisor"
)

// With root and `user`, the compiler and the command before it run as that user, who
// has neither a home nor a cache to write to; the program is in reach of its workers.
func TestPrepareAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run something as another user")
	}
	if testing.Short() {
		t.Skip("compiles the runtime")
	}
	dir := t.TempDir()
	for parent := dir; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source, notes := filepath.Join(dir, "shop"), filepath.Join(dir, "notes")
	for name, text := range map[string]string{
		"shop/go.mod":  "module shop\n\ngo 1.26\n",
		"shop/main.go": "package main\n\nfunc main() {}\n",
		"appd.hcl":     "app {\n go = \".\"\n chdir = \"shop\"\n before = [\"sh\", \"-c\", \"id -u >../notes/who; echo $HOME >>../notes/who\"]\n}\nlisten \"unix:s\" {}\nuser = \"nobody\"\nrun_dir = \"run\"\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(notes, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(notes, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"GOCACHE", "GOPATH", "GOMODCACHE", "GOFLAGS", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	c, err := config.Load(config.Source{File: filepath.Join(dir, "appd.hcl"), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	runDir, err := c.MakeRunFolder()
	if err != nil {
		t.Fatal(err)
	}
	app, err := application(c, runDir)
	if err != nil {
		t.Fatal(err)
	}
	program, err := app.Prepare(context.Background(), supervisor.Generation{Number: 1, Dir: source})
	if err != nil {
		t.Fatalf("%v\n%+v", err, err)
	}
	nobody, err := app.Credential()
	if err != nil {
		t.Fatal(err)
	}
	if who, err := os.ReadFile(filepath.Join(notes, "who")); err != nil || string(who) != "65534\n"+home("nobody")+"\n" {
		t.Errorf("the command before ran as %q, %v", who, err)
	}
	info, err := os.Stat(program.Command[0])
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != nobody.Uid {
		t.Errorf("the compiler ran as user %d", uid)
	}
	cmd := exec.Command(program.Command[0])
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, strings.TrimSpace(string(out)))
	}

	// A folder that is closed to that user is named, not only what cannot be run there.
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = app.Prepare(context.Background(), supervisor.Generation{Number: 2, Dir: source})
	if err == nil || !strings.Contains(err.Error(), " in "+source+": "+dir+" is closed to it (mode drwx------)") {
		t.Errorf("Prepare() = %v", err)
	}
}
