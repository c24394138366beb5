// A terminal does not steer a service by accident, and steers development on
// purpose: everything here happens in a pseudo-terminal.

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is the outer side of a pseudo-terminal with a program in it.
type terminal struct {
	*os.File
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	text bytes.Buffer // what was shown
}

// inTerminal starts argv as the leader of a session in a terminal of its own.
func inTerminal(t *testing.T, argv ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	control(t, master, func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0) })
	control(t, master, func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); return err })
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	tt := &terminal{File: master, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	tt.cmd.Stdin, tt.cmd.Stdout, tt.cmd.Stderr = inner, inner, inner
	tt.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := tt.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		tt.cmd.Wait()
		close(tt.done)
	}()
	go tt.show()
	t.Cleanup(func() {
		master.Close()
		select {
		case <-tt.done:
		case <-time.After(limit):
			t.Errorf("what ran in the terminal did not end with it:\n%s", tt.shown())
			tt.cmd.Process.Kill()
		}
		if t.Failed() {
			t.Logf("what the terminal showed:\n%s", tt.shown())
		}
	})
	return tt
}

// control calls f with the descriptor. File.Fd would make it blocking, and a Close
// would then wait for the Read that goes on.
func control(t *testing.T, file *os.File, f func(fd int) error) {
	t.Helper()
	raw, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// show collects what the programs write until the terminal closes.
func (tt *terminal) show() {
	chunk := make([]byte, 4096)
	for {
		n, err := tt.Read(chunk)
		tt.mu.Lock()
		tt.text.Write(chunk[:n])
		tt.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (tt *terminal) shown() string {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.text.String()
}

// resize changes the window a few times; the foreground group gets WINCH.
func (tt *terminal) resize(t *testing.T) {
	t.Helper()
	for i := range 5 {
		control(t, tt.File, func(fd int) error {
			return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(20 + i), Col: 90})
		})
		time.Sleep(20 * time.Millisecond) // one signal each, not a burst
	}
}

// terminalApp is the files of an appd that a terminal will run.
func terminalApp(t *testing.T, extra string) *appd {
	t.Helper()
	a := stoppedAppd(t, t.Name())
	extra += fmt.Sprintf("listen %q {}\n", freeAddr(t)) // or development takes port 8000
	a.conf = write(t, filepath.Join(a.dir, "appd.hcl"), a.config(t, nil, extra))
	return a
}

// pids are the worker processes right now.
func (a *appd) pids(t *testing.T) (all []int) {
	t.Helper()
	for _, w := range a.status(t).Workers {
		all = append(all, w.PID)
	}
	slices.Sort(all)
	return all
}

// up waits until n workers are ready, then says who they are.
func (a *appd) up(t *testing.T, n int) []int {
	t.Helper()
	eventually(t, "appd answers", func() bool {
		_, status := a.try(t, "status")
		return status == 0 && ready(a.status(t)) == n
	})
	return a.pids(t)
}

// still wants the same workers, now and a moment later: a signal misread would have
// started or stopped one by then.
func (a *appd) still(t *testing.T, before []int) {
	t.Helper()
	for range 10 {
		if now := a.pids(t); !slices.Equal(now, before) {
			t.Fatalf("workers %v, were %v", now, before)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Resizing the window of a terminal in which appd runs does nothing.
func TestTerminalResize(t *testing.T) {
	a := terminalApp(t, "workers = 2\n")
	tt := inTerminal(t, binary(t, "appd"), "-c", a.conf)
	before := a.up(t, 2)
	tt.resize(t)
	a.still(t, before)
	a.verb(t, "stop")
	<-tt.done
}

// `appd dev &` under a shell: reading the terminal from the background would
// raise TTIN, which means one worker more, and writing to one with `stty tostop`
// TTOU, one worker less. Neither happens, and keys that the shell is given do not
// reach appd. In the foreground r reloads.
func TestTerminalDevelopment(t *testing.T) {
	for _, mode := range []struct{ name, before, during string }{
		{name: "plain"},
		{name: "tostop", before: "stty tostop\n"},
		{name: "tostop-later", during: "stty tostop\n"},
	} {
		t.Run(mode.name, func(t *testing.T) {
			a := terminalApp(t, "")
			tt := inTerminal(t, need(t, "bash"), "--norc", "--noprofile", "-i")
			fmt.Fprintf(tt, "%s%s dev -w 3 -c %s &\n", mode.before, binary(t, "appd"), a.conf)
			before := a.up(t, 3)
			tt.resize(t)
			fmt.Fprint(tt, "echo r q r q\n")
			a.still(t, before)

			fmt.Fprintf(tt, "%secho shell is \"\"listening\n", mode.during)
			eventually(t, "the shell has read it", func() bool { return strings.Contains(tt.shown(), "shell is listening") })
			for i := range 4 { // each makes a line in the terminal, written by a worker
				target := fmt.Sprintf("/whoami?%s-%d", mode.name, i)
				ok(t, a.http(), "GET", target, nil)
				eventually(t, "the access log in the terminal", func() bool { return strings.Contains(tt.shown(), target) })
			}
			a.verb(t, "scale", "4") // which is said in the terminal
			a.still(t, a.up(t, 4))

			generation := a.status(t).Generation
			fmt.Fprint(tt, "fg\n")
			var pressed time.Time
			patience := time.Second / 2
			eventually(t, "r reloads", func() bool {
				if a.status(t).Generation > generation {
					return true
				}
				// A key that the shell still took is lost; one that comes too soon begins anew.
				if time.Since(pressed) > patience {
					pressed, patience = time.Now(), 2*patience
					fmt.Fprint(tt, "r")
				}
				return false
			})
			tt.resize(t)
			fmt.Fprint(tt, "q")
			eventually(t, "q stops", func() bool { _, status := a.try(t, "status"); return status == 3 })
			fmt.Fprint(tt, "exit\n")
		})
	}
}

// When the terminal closes, development stops.
func TestTerminalCloses(t *testing.T) {
	for _, mode := range []string{"foreground", "background"} {
		t.Run(mode, func(t *testing.T) {
			a := terminalApp(t, "workers = 1\n")
			var tt *terminal
			if mode == "foreground" {
				tt = inTerminal(t, binary(t, "appd"), "dev", "-c", a.conf)
			} else {
				tt = inTerminal(t, need(t, "bash"), "--norc", "--noprofile", "-i")
				fmt.Fprintf(tt, "%s dev -c %s &\n", binary(t, "appd"), a.conf)
			}
			a.up(t, 1)
			tt.Close()
			eventually(t, "everything is gone", func() bool {
				_, status := a.try(t, "status")
				return status == 3 && len(a.processes(t)) == 0
			})
		})
	}
}

// A service that was started from a terminal writes its access log there. When the
// terminal is told later to stop those who write from the background, no worker is
// stopped, whatever its language: that would be the end of all requests.
func TestTerminalToldLater(t *testing.T) {
	for _, kind := range []string{"go", "python"} {
		t.Run(kind, func(t *testing.T) {
			a := terminalApp(t, "workers = 2\naccesslog = \"-\"\n")
			if kind == "python" {
				needPython(t)
				write(t, filepath.Join(a.dir, "app.py"), "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n")
				conf := strings.Replace(a.config(t, nil, "workers = 2\naccesslog = \"-\"\n"), fmt.Sprintf("command = [%q]", binary(t, "app")),
					fmt.Sprintf("wsgi = \"app:app\"\n  python = \"/usr/bin/python3\"\n  chdir = %q", a.dir), 1)
				write(t, a.conf, conf)
			}
			tt := inTerminal(t, need(t, "bash"), "--norc", "--noprofile", "-i")
			fmt.Fprintf(tt, "%s -c %s &\n", binary(t, "appd"), a.conf)
			before := a.up(t, 2)
			fmt.Fprint(tt, "stty tostop; echo shell is \"\"listening\n")
			eventually(t, "the shell has read it", func() bool { return strings.Contains(tt.shown(), "shell is listening") })
			for i := range 8 {
				target := fmt.Sprintf("/whoami?line-%d", i)
				ok(t, a.http(), "GET", target, nil)
				eventually(t, "the access log in the terminal", func() bool { return strings.Contains(tt.shown(), target) })
			}
			a.still(t, before)
			a.verb(t, "stop")
			fmt.Fprint(tt, "exit\n")
		})
	}
}
