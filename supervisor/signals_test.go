package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSignals(t *testing.T) {
	t.Parallel()
	p := startProgram(t, programConfig{}, nil)
	pid := p.cmd.Process.Pid
	p.workersServe(2)
	for i := range 3 {
		syscall.Kill(pid, syscall.SIGTTIN)
		p.workersServe(3 + i)
	}
	syscall.Kill(pid, syscall.SIGTTOU)
	p.workersServe(4)
	syscall.Kill(pid, syscall.SIGHUP)
	p.eventually("a reload", func() bool { return p.says("reload done") == 1 })
	p.workersServe(2) // back to the file's number
	for range 20 {    // a burst is one reload, or a few, but none is done twice
		syscall.Kill(pid, syscall.SIGHUP)
	}
	p.eventually("the burst is over", func() bool {
		n := p.says("reload begins")
		return n > 1 && p.says("reload done") == n
	})
	if n := p.says("reload done"); n > 21 {
		t.Errorf("%d reloads for a burst", n)
	}
	p.workersServe(2)
	syscall.Kill(pid, syscall.SIGWINCH) // there is no terminal: setsid
	p.workersServe(0)
	syscall.Kill(pid, syscall.SIGTTIN)
	p.workersServe(2)
	syscall.Kill(pid, syscall.SIGWINCH)
	p.workersServe(0)
	syscall.Kill(pid, syscall.SIGHUP)
	p.workersServe(2)
	begun := time.Now()
	syscall.Kill(pid, syscall.SIGINT)
	if err := <-p.exited; err != nil {
		t.Errorf("%v after %v\n%s", err, time.Since(begun), p.out)
	}
}

// A terminal's window changes do not steer the service.
func TestWindowChangeOfATerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	p := startProgram(t, programConfig{}, func(c *exec.Cmd) {
		c.Stdin = terminal
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	})
	p.workersServe(2)
	before := p.everybody()
	for i := range 5 {
		unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(30 + i), Col: 100})
	}
	p.eventually("the signal", func() bool { return p.says("window changed") > 0 })
	if _, err := p.get("0"); err != nil {
		t.Error(err)
	}
	if after := p.everybody(); !slices.Equal(after, before) {
		t.Errorf("processes %v, before %v", after, before)
	}
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	<-p.exited
}

// A flood of one signal, while the loop is busy, does not push another out.
func TestAFloodOfSignals(t *testing.T) {
	s := newSupervisor(Config{})
	s.sys.notify = func(string) {}
	quiet := s.listenSignals()
	for range 500 {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		time.Sleep(100 * time.Microsecond) // the kernel keeps one at a time
	}
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGTERM)
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	<-came
	signal.Stop(came) // waits until everybody has been given what is under way
	for patience := time.After(longEnough); s.stopping == running; {
		select {
		case m := <-s.inbox:
			m.do()
		case <-patience:
			t.Fatal("TERM is lost")
		}
	}
	quiet()
	close(s.done)
	s.tasks.Wait()
}
