package supervisor

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/appd-server/appd/internal/handoff"
)

// shortLived is a process that ends at once, whose last word is still in the socket.
func shortLived(t *testing.T) *child {
	t.Helper()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	control, end, err := handoff.Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(end.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	far, err := handoff.NewConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
	if err := far.Send(handoff.Message{Kind: handoff.Failed, Text: "no database"}); err != nil {
		t.Fatal(err)
	}
	far.Close()
	pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err != nil {
		t.Fatal(err)
	}
	p := &child{kind: KindGo, log: newJournal(&Config{}), control: control}
	if err := p.hold(pid, -1, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// What a process said that ended before anybody listened to it is heard before its end
// is told.
func TestLastWordsOfAShortLife(t *testing.T) {
	p := shortLived(t)
	ended := make(chan exit)
	go func() { ended <- p.Wait() }()
	<-p.ended
	for range 1000 {
		runtime.Gosched() // Wait would return by now
	}
	heard := make(chan string, 1)
	p.Attend(func(m handoff.Message, _ []int) { heard <- m.Text })
	if e := <-ended; e.code != 0 || e.err != nil {
		t.Errorf("%+v", e)
	}
	select {
	case text := <-heard:
		if text != "no database" {
			t.Errorf("heard %q", text)
		}
	default:
		t.Error("its end was told before its words")
	}
	p.Bereave()

	answer := make(chan error, 1)
	p.Dump("", func(_ []byte, err error) { answer <- err })
	if err := <-answer; err == nil {
		t.Error("the dead wrote their stacks")
	}
	p.Close()
}
