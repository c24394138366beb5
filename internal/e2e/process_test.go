// A server process of a test: started, watched, stopped.

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a running program whose output goes to a file.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file
	done chan struct{}
}

// launch starts a program in a session of its own, without a terminal. It is stopped
// at the end of the test, and its log shown if that failed.
func launch(t testing.TB, name string, env []string, argv ...string) *process {
	t.Helper()
	return launchWith(t, name, nil, env, argv...)
}

// launchWith starts a program that inherits file, if any, as descriptor 3.
func launchWith(t testing.TB, name string, file *os.File, env []string, argv ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), log: newLog(name), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if file != nil {
		p.cmd.ExtraFiles = []*os.File{file}
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if err := p.stop(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, p.tail())
		}
	})
	return p
}

// newLog is the path of a log that does not exist yet: a test may be run again.
func newLog(name string) string {
	path := filepath.Join(root, name+".log")
	for n := 2; exists(path); n++ {
		path = filepath.Join(root, fmt.Sprintf("%s-%d.log", name, n))
	}
	return path
}

// ended says whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends sig.
func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// stop sends sig, waits, and kills what does not go by itself.
func (p *process) stop(sig syscall.Signal) error {
	p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
		return nil
	case <-time.After(limit):
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not stop on %v", p.name, sig)
	}
}

// accessLine is a line of the access log that says that all is well.
var accessLine = regexp.MustCompile(`"[A-Z]+ \S+ HTTP/1\.[01]" [123]\d\d `)

// tail is the end of the log, for a failure message, without the requests that
// succeeded.
func (p *process) tail() string {
	const most = 150
	var lines []string
	for line := range strings.Lines(p.text()) {
		if !accessLine.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "")
}

// linesWith are the lines of the log that hold what.
func (p *process) linesWith(what string) (lines string) {
	for line := range strings.Lines(p.text()) {
		if strings.Contains(line, what) {
			lines += line
		}
	}
	return lines
}

// text is the whole log.
func (p *process) text() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// awaitLog waits for a line of the log that holds all of what.
func (p *process) awaitLog(t testing.TB, what ...string) string {
	t.Helper()
	var found string
	end := time.Now().Add(limit)
	for {
		ended := p.ended() // before its last words are read
		for line := range strings.Lines(p.text()) {
			if holdsAll(line, what) {
				found = line
			}
		}
		switch {
		case found != "":
			return found
		case ended || time.Now().After(end):
			t.Fatalf("%s does not log %q:\n%s", p.name, what, p.tail())
		}
		time.Sleep(pause)
	}
}

func holdsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

// awaitListen waits until somebody accepts on all addresses.
func (p *process) awaitListen(t testing.TB, addrs ...string) {
	t.Helper()
	for _, addr := range addrs {
		network := "tcp"
		if strings.HasPrefix(addr, "/") {
			network = "unix"
		}
		end := time.Now().Add(limit)
		for {
			c, err := net.Dial(network, addr)
			if err == nil {
				c.Close()
				break
			}
			if p.ended() || time.Now().After(end) {
				t.Fatalf("%s does not listen on %s: %v\n%s", p.name, addr, err, p.tail())
			}
			time.Sleep(pause)
		}
	}
}
