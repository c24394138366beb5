package supervisor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Somebody removes the socket, its lock and the pidfile: they are made again, and the
// workers replaced, while what is in flight on the old socket is answered.
func TestFilesThatVanish(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "")
	cfg.PIDFile = filepath.Join(cfg.RunDir, "pid")
	v := serve(t, cfg)
	v.allReady(2)
	old, err := net.Dial("unix", v.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	answer := make(chan error, 1)
	go func() {
		_, err := ask(old, "1")
		answer <- err
	}()
	for _, name := range []string{v.socket, v.socket + ".lock", cfg.PIDFile} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	v.eventually("somebody answers", func() bool { _, err := v.get("0"); return err == nil })
	if err := <-answer; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	v.eventually("both workers are replaced", func() bool { return v.status().DeathCount[Outdated] == 2 })
	v.allReady(2)
	for range 4 {
		if _, err := v.get("0"); err != nil {
			t.Error(err)
		}
	}
	if pid, err := os.ReadFile(cfg.PIDFile); err != nil || !strings.Contains(v.log.String(), "the pidfile was gone") {
		t.Errorf("pidfile %q, %v", pid, err)
	}
	if _, err := lockPath(v.socket); err == nil {
		t.Error("the path has no lock any more")
	}
}

// Where the socket cannot be made again a reload says so instead of reporting success;
// with the folder the service comes back.
func TestAFolderThatVanishes(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t, "")
	dir := filepath.Join(cfg.RunDir, "sockets")
	os.Mkdir(dir, 0o700)
	cfg.Listeners[0].Worker.Address = "unix:" + filepath.Join(dir, "s")
	v := begin(t, cfg)
	v.socket = filepath.Join(dir, "s")
	v.allReady(2)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := v.s.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), "there is no folder") {
		t.Errorf("Reload() = %v", err)
	}
	v.eventually("it is said", func() bool { return strings.Contains(v.log.String(), "nobody can connect any more") })
	os.Mkdir(dir, 0o700)
	v.eventually("somebody answers", func() bool { _, err := v.get("0"); return err == nil })
	if n := strings.Count(v.log.String(), "nobody can connect any more"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

// A path that somebody else took meanwhile is left alone.
func TestAPathThatSomebodyElseTook(t *testing.T) {
	t.Parallel()
	v := serve(t, realConfig(t, ""))
	v.allReady(2)
	ln, err := net.Listen("unix", v.socket+".other")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := os.Rename(v.socket+".other", v.socket); err != nil { // in one step: a path that is free is taken again
		t.Fatal(err)
	}
	v.eventually("it is said", func() bool { return strings.Contains(v.log.String(), "in use by process") })
	if v.status().DeathCount[Outdated] != 0 {
		t.Error("workers were replaced")
	}
}
