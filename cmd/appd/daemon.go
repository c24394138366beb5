// Daemon mode: a copy of ourselves in a session of its own. The parent waits until
// the first worker is ready and shows what is logged until then.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/appd-server/appd/internal/config"
)

// detachedEnv marks the copy: "wait" while its parent waits, "done" afterwards.
const detachedEnv = "APPD_DETACHED"

// Descriptors of the copy: what is logged until it is ready, and one byte when it is.
const (
	startLogFD = 3
	readyFD    = 4
)

// detached tells whether we are the copy, or a successor in an upgrade.
func detached() bool { return os.Getenv(detachedEnv) != "" }

// detach starts the copy and waits until it is ready or has ended.
func detach(c *config.Config) int {
	closeOnExec()
	logR, logW, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	args := self()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), detachedEnv+"=wait")
	cmd.ExtraFiles = []*os.File{logW, readyW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.InheritStdio {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return fail(fmt.Errorf("cannot detach: %w", err))
	}
	logW.Close()
	readyW.Close()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		io.Copy(os.Stderr, logR)
	}()
	n, _ := readyR.Read(make([]byte, 1))
	<-shown
	if n == 1 {
		return exitDone
	}
	if exit, ok := errors.AsType[*exec.ExitError](cmd.Wait()); ok && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "appd: ended before it was ready")
	return exitFailed
}

// waitingParent is the parent as its copy sees it.
type waitingParent struct {
	log, ready *os.File
}

// inheritedParent finds the parent that waits for us, nil if there is none.
func inheritedParent() *waitingParent {
	if os.Getenv(detachedEnv) != "wait" {
		return nil
	}
	os.Setenv(detachedEnv, "done") // a successor in an upgrade has nobody waiting
	syscall.CloseOnExec(startLogFD)
	syscall.CloseOnExec(readyFD)
	return &waitingParent{os.NewFile(startLogFD, "log"), os.NewFile(readyFD, "ready")}
}

// Write shows text to the parent.
func (p *waitingParent) Write(text []byte) (int, error) { return p.log.Write(text) }

// release tells the parent that we are ready.
func (p *waitingParent) release() {
	p.ready.Write([]byte{1})
	p.ready.Close()
	p.log.Close()
}

// closeOnExec makes all descriptors but the standard ones close-on-exec: what
// whoever started us had open, a lock perhaps, must not live on in a daemon, nor in
// workers.
func closeOnExec() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // without /proc they are passed on, as everywhere else
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
