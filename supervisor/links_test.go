// Files of ours in folders where somebody else may write, too: nothing there leads us
// to another file.

package supervisor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
)

// stranger makes a file that nobody but its owner has to do with, and returns a check
// that it is as it was.
func stranger(t *testing.T, dir string) (path string, untouched func()) {
	t.Helper()
	path = filepath.Join(dir, "stranger")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		t.Helper()
		text, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(text) != "precious" || info.Mode().Perm() != 0o600 {
			t.Errorf("the stranger's file holds %q with mode %v, %v", text, info.Mode(), err)
		}
	}
}

func TestLockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	target, untouched := stranger(t, dir)
	path := filepath.Join(dir, "s")
	if err := os.Symlink(target, path+".lock"); err != nil {
		t.Fatal(err)
	}
	if l, err := bind(named(Listener{Worker: handoff.Listener{Address: "unix:" + path}}), false); err == nil {
		l.close()
		t.Error("bound with a lock that is a link")
	}
	untouched()
}

// A reload sets the attributes of a socket that has been lying there for long.
func TestAttributesOfALink(t *testing.T) {
	dir := t.TempDir()
	target, untouched := stranger(t, dir)
	path := filepath.Join(dir, "s")
	l, err := bind(named(Listener{Worker: handoff.Listener{Address: "unix:" + path}, Mode: 0o600}), false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.spec.Mode = 0o666
	if err := l.change(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Fatalf("the socket after a change: %v, %v", info, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func() error{
		"link": func() error { return os.Symlink(target, path) },
		"file": func() error { return os.Link(target, path) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if err := l.change(); err == nil {
			t.Errorf("the attributes of a %s in the socket's place were changed", name)
		}
		untouched()
		os.Remove(path)
	}
}

func TestPIDFileIsNoLink(t *testing.T) {
	dir := t.TempDir()
	target, untouched := stranger(t, dir)
	p := &pidfile{path: filepath.Join(dir, "pid")}
	if err := os.Symlink(target, p.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, temporaryPIDFile(p.path)); err != nil {
		t.Fatal(err)
	}
	if err := p.write(); err != nil {
		t.Fatal(err)
	}
	untouched()
	if text, err := os.ReadFile(p.path); err != nil || readPID(p.file) != os.Getpid() {
		t.Errorf("the pidfile holds %q, %v", text, err)
	}
	if err := p.remove(false); err != nil {
		t.Error(err)
	}
	untouched()
}
