// scripts/run and scripts/install, as `make run` and `make test` call them: with
// nginx, and on machines where something is missing that they may not install.

package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// script is the path of one of the repository's scripts.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../scripts", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var printed = regexp.MustCompile(`(\w+) +http://(127\.0\.0\.1:\d+)/\n`)

// awaitRun waits until the addresses that scripts/run printed answer, each with the
// protocol that stands before it, and stops it.
func awaitRun(t *testing.T, p *process, ready string, want ...string) {
	t.Helper()
	p.awaitLog(t, ready)
	var got []string
	for _, line := range printed.FindAllStringSubmatch(p.text(), -1) {
		protocol, addr := strings.ToLower(line[1]), line[2]
		got = append(got, protocol+" "+addr)
		if page := string(ok(t, addr, "GET", "/", nil).body); !strings.Contains(page, `<b class="`+protocol+`">`) {
			t.Errorf("%s: the page at %s is not served over it", protocol, addr)
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("addresses %q, want %q", got, want)
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if status := p.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("exit status = %d", status)
	}
	eventually(t, "nothing of it is left", func() bool { return syscall.Kill(-p.cmd.Process.Pid, 0) == syscall.ESRCH })
}

func TestMakeRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds what the other tests have built before")
	}
	need(t, "nginx")
	fastcgi, uwsgi, http := freePort(t), freePort(t), freePort(t)
	env := []string{"RUNTIME_DIRECTORY=" + folder(t, t.Name()), "HELLO_FASTCGI=" + fastcgi, "HELLO_UWSGI=" + uwsgi, "HELLO_HTTP=" + http}
	p := launch(t, t.Name(), env, script(t, "run"))
	awaitRun(t, p, "nginx ready", "fastcgi 127.0.0.1:"+fastcgi, "uwsgi 127.0.0.1:"+uwsgi, "http 127.0.0.1:"+http)
}

// An ordinary user on a machine without nginx gets plain HTTP, and the name of what
// would have to be installed.
func TestMakeRunWithoutNginx(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds what the other tests have built before")
	}
	port := freePort(t)
	env := append(stranger(t, nil), "RUNTIME_DIRECTORY="+folder(t, t.Name()), "HELLO_HTTP="+port)
	p := launch(t, t.Name(), env, script(t, "run"))
	awaitRun(t, p, "worker ready", "http 127.0.0.1:"+port)
	for _, line := range []string{"make run wants these Debian packages: nginx\n", "sudo apt-get install nginx\n", "No nginx: plain HTTP"} {
		if !strings.Contains(p.text(), line) {
			t.Errorf("it does not say %q:\n%s", line, p.tail())
		}
	}
}

// stranger is the environment of somebody who has no nginx and may not become root.
// instead holds programs, by name, that are to be found instead of the machine's.
func stranger(t *testing.T, instead map[string]string) []string {
	t.Helper()
	dir := folder(t, t.Name()+"-programs")
	programs := map[string]string{"id": "echo 1000", "sudo": "exit 1", "apt-get": "echo nothing may be installed; exit 100"}
	maps.Copy(programs, instead)
	for name, text := range programs {
		write(t, filepath.Join(dir, name), "#!/bin/sh\n"+text+"\n")
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := []string{dir}
	for _, d := range filepath.SplitList(os.Getenv("PATH")) {
		if exists(filepath.Join(d, "nginx")) {
			d = without(t, d, "nginx")
		}
		path = append(path, d)
	}
	return []string{"PATH=" + strings.Join(path, string(filepath.ListSeparator)), "SBIN="}
}

// without makes a folder that has everything of dir but one name.
func without(t *testing.T, dir, name string) string {
	t.Helper()
	mirror := folder(t, t.Name()+"-path")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == name {
			continue
		}
		if err := os.Symlink(filepath.Join(dir, e.Name()), filepath.Join(mirror, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return mirror
}

// What is missing is named, with what to do; only without Go it ends there.
func TestInstallNamesWhatIsMissing(t *testing.T) {
	const named = "make run wants these Debian packages: nginx\n"
	for _, tt := range []struct {
		name    string
		env     []string
		instead map[string]string
		status  int
		want    []string
	}{
		{"an ordinary user", nil, nil, 0, []string{named, "Only root may do that. Install them with: sudo apt-get install nginx\n"}},
		{
			"root, and no network", nil,
			map[string]string{"id": "echo 0", "tee": "cat", "chmod": ""}, 0, // tee and chmod: of the machine's policy-rc.d
			[]string{"installing: nginx\n", "nothing may be installed\n", named, "apt-get failed. Install them with"},
		},
		{"no Go", []string{"GO=no-such-go"}, nil, 1, []string{"make run wants Go, and there is no no-such-go in PATH"}},
		{"old Go", []string{"GO=go1.19"}, map[string]string{"go1.19": "echo go version go1.19.8 linux/amd64"}, 1, []string{"make run wants Go 1.26 or newer", "this is go version go1.19.8"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(script(t, "install"), "run")
			cmd.Env = append(append(os.Environ(), stranger(t, tt.instead)...), tt.env...)
			out, _ := cmd.CombinedOutput()
			if status := cmd.ProcessState.ExitCode(); status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}
