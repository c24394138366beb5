package supervisor

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestSocketActivation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "activated")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"unix:" + path, "fd://3"} {
		p := startProgram(t, programConfig{Dir: dir, Address: []string{address}}, func(c *exec.Cmd) {
			c.ExtraFiles = []*os.File{f}
			// The shell sets LISTEN_PID to its own pid and becomes the program.
			c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec " + os.Args[0]}
		})
		p.socket = path
		if line, err := p.get("0"); err != nil {
			t.Errorf("%s: %q, %v", address, line, err)
		}
		syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
		if err := <-p.exited; err != nil {
			t.Errorf("%s: %v\n%s", address, err, p.out)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: the service manager's socket was removed", address)
		}
	}
	f.Close()
}
