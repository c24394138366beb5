package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// source makes a folder with a Go module; files are name, text, name, text ...
func source(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	files = append(files, "go.mod", "module example\n\ngo 1.26\n")
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const hello = "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(text) }\n"

func TestBuild(t *testing.T) {
	dir := source(t, "cmd/x/main.go", hello, "cmd/x/text.go", "package main\n\nconst text = \"plain\"\n",
		"cmd/x/tagged.go", "//go:build tagged\n\npackage main\n\nfunc init() { println(\"tagged\") }\n")
	b := &Builder{Dir: filepath.Join(t.TempDir(), "build"), Cache: t.TempDir()}
	path, err := b.Build(t.Context(), Job{Package: "./cmd/x", Name: "x", Generation: 1, Dir: dir, Flags: []string{"-tags=tagged"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "tagged") || !strings.Contains(string(out), "plain") {
		t.Errorf("the program says %q, %v", out, err)
	}
}

func TestBuildFails(t *testing.T) {
	dir := source(t, "broken/main.go", "package main\n\nfunc main() { undefined() }\n", "lib/lib.go", "package lib\n")
	b := &Builder{Dir: t.TempDir(), Cache: t.TempDir()}
	var e *Error
	_, err := b.Build(t.Context(), Job{Package: "./broken", Name: "x", Dir: dir})
	if !errors.As(err, &e) || !strings.Contains(strings.Join(e.Output, "\n"), "main.go:3:15: undefined: undefined") {
		t.Errorf("a broken package: %v, %+v", err, e)
	}
	if _, err := b.Build(t.Context(), Job{Package: "./lib", Name: "x", Dir: dir}); err == nil || !strings.Contains(err.Error(), "not package main") {
		t.Errorf("a library: %v", err)
	}
	if _, err := b.Build(t.Context(), Job{Package: "./none", Name: "x", Dir: dir}); !errors.As(err, &e) {
		t.Errorf("no package: %v", err)
	}
}

// TestRetire: two programs are kept; one that may still be started never goes.
func TestRetire(t *testing.T) {
	dir := source(t, "main.go", "package main\n\nfunc main() {}\n")
	b := &Builder{Dir: t.TempDir(), Cache: t.TempDir()}
	var paths []string
	for g := 1; g <= 4; g++ {
		path, err := b.Build(t.Context(), Job{Package: ".", Name: "x", Generation: g, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	there := func() (list string) {
		for i, p := range paths {
			if _, err := os.Stat(p); err == nil {
				list += strconv.Itoa(i + 1)
			}
		}
		return list
	}
	for _, step := range []struct {
		retire int
		left   string
	}{{2, "134"}, {3, "14"}, {4, "14"}, {1, "14"}} {
		if b.Retire(paths[step.retire-1]); there() != step.left {
			t.Errorf("after retiring %d: %s, want %s", step.retire, there(), step.left)
		}
	}
}

// TestLeftovers: programs of supervisors that are dead go, others' stay.
func TestLeftovers(t *testing.T) {
	folder := t.TempDir()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(folder, "x-"+strconv.Itoa(dead.Process.Pid)+"-1")
	other := filepath.Join(folder, "x-"+strconv.Itoa(os.Getppid())+"-1")
	for _, path := range []string{old, other} {
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b := &Builder{Dir: folder, Cache: t.TempDir()}
	if _, err := b.Build(t.Context(), Job{Package: ".", Name: "x", Dir: source(t, "main.go", "package main\n\nfunc main() {}\n")}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the program of a dead supervisor is still there")
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("the program of a live supervisor is gone: %v", err)
	}
}

// TestCancel kills the whole process group: a compiler must not outlive the reload
// that wanted it.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	started := filepath.Join(dir, "started")
	why := errors.New("a newer change came")
	done := make(chan error)
	go func() {
		done <- Run(ctx, Command{Args: []string{"sh", "-c", "sleep 600 & echo $! > pid; mv pid started; wait"}, Dir: dir})
	}()
	await(t, "the command runs", func() bool { return exists(started) })
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("Run = %v, want the cause", err)
	}
	text, err := os.ReadFile(started)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(text))
	await(t, "the command's child is gone", func() bool { return ended(pid) })
}

// TestCancelLeavesNothing: a compiler that is killed cannot remove its temporary files.
func TestCancelLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a newer change came")
	// A compiler that takes as long as it likes: it is killed as soon as it is at work.
	tool := filepath.Join(t.TempDir(), "slow")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\ncase $* in *-V=full*) exec \"$@\";; esac\n: > "+tool+".runs\nsleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := source(t, "main.go", "package main\n\nfunc main() {}\n")
	b := &Builder{Dir: t.TempDir(), Cache: t.TempDir()}
	done := make(chan error)
	go func() {
		_, err := b.Build(ctx, Job{Package: ".", Name: "x", Dir: dir, Flags: []string{"-toolexec=" + tool}, Env: []string{"GOCACHE=" + t.TempDir()}})
		done <- err
	}()
	await(t, "the compiler runs", func() bool { return exists(tool + ".runs") })
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("Build = %v, want the cause", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// await waits until ok says true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ended tells whether a process is gone, or a zombie that nobody has waited for.
func ended(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

func TestEnvironment(t *testing.T) {
	home, cache := t.TempDir(), t.TempDir()
	t.Setenv("GOCACHE", "")
	t.Setenv("GOPATH", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", home)
	b := &Builder{Cache: filepath.Join(cache, "go")}
	if got := lookup(b.environ(Job{}), "GOCACHE"); got != b.Cache {
		t.Errorf("without a cache of the user's, GOCACHE = %q", got)
	}
	if err := os.MkdirAll(filepath.Join(home, ".cache", "go-build"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := lookup(b.environ(Job{}), "GOCACHE"); got != "" {
		t.Errorf("with a cache of the user's, GOCACHE = %q", got)
	}
	if got := lookup(b.environ(Job{Env: []string{"GOCACHE=/there"}}), "GOCACHE"); got != "/there" {
		t.Errorf("GOCACHE of the app's environment became %q", got)
	}
	if got := lookup(b.environ(Job{}), "GOPATH"); got != "" {
		t.Errorf("with a home of the user's, GOPATH = %q", got)
	}
	t.Setenv("HOME", "")
	env := b.environ(Job{})
	if lookup(env, "GOCACHE") != b.Cache || lookup(env, "GOPATH") == "" {
		t.Errorf("without a home: GOCACHE %q, GOPATH %q", lookup(env, "GOCACHE"), lookup(env, "GOPATH"))
	}
	other := &syscall.Credential{Uid: 12345}
	if os.Geteuid() == 0 { // may give it a folder
		env = b.environ(Job{User: other, Home: home})
		if got := lookup(env, "GOCACHE"); got != b.Cache+"-12345" || !belongs(got, other) {
			t.Errorf("GOCACHE of another user = %q", got)
		}
		if lookup(env, "HOME") != home || lookup(env, "GOPATH") == "" {
			t.Errorf("in somebody else's home: HOME %q, GOPATH %q", lookup(env, "HOME"), lookup(env, "GOPATH"))
		}
	}
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{"shop": "shop", "a-b/c": "a_b_c", "": "app", "..": "app.."} {
		if got := fileName(in); got != want {
			t.Errorf("fileName(%q) = %q, want %q", in, got, want)
		}
	}
}
