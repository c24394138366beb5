// Signals: one table for the handler, the command line's verbs and the manual.

package supervisor

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Verb is something that a signal asks of a supervisor.
type Verb struct {
	Name   string // as on the command line; "" when only a signal does it
	Signal syscall.Signal
	Means  string // a line of the manual
	do     func(*Supervisor)
}

// Verbs is the table of signals.
var Verbs = []Verb{
	{"stop", syscall.SIGTERM, "graceful stop", func(s *Supervisor) { s.stop(false) }},
	{"", syscall.SIGQUIT, "graceful stop", func(s *Supervisor) { s.stop(false) }},
	{"", syscall.SIGINT, "fast stop: one second for requests in flight, a second INT none", func(s *Supervisor) { s.stop(true) }},
	{"reload", syscall.SIGHUP, "reload configuration and code", func(s *Supervisor) { s.reload(nil) }},
	{"reopen", syscall.SIGUSR1, "reopen the logs", func(s *Supervisor) { s.reopen(nil) }},
	{"upgrade", syscall.SIGUSR2, "upgrade to a new appd", func(s *Supervisor) { s.upgrade(nil) }},
	{"", syscall.SIGTTIN, "one worker more", func(s *Supervisor) { s.addWorkers(1) }},
	{"", syscall.SIGTTOU, "one worker less", func(s *Supervisor) { s.addWorkers(-1) }},
	{"", syscall.SIGWINCH, "send all workers away; HUP or TTIN brings them back (without a controlling terminal only)", func(s *Supervisor) { s.windowChanged() }},
}

// listenSignals delivers signals to the loop until the returned function is called.
// A signal that arrives again before it was taken is one signal, as in the kernel.
//
// A terminal that is told to send TTOU later on (stty tostop) does so at each attempt
// to write a line, which the kernel starts again until TTOU is ignored. That is no
// wish for fewer workers, and the loop cannot see to it: the line may be its own.
func (s *Supervisor) listenSignals() (stop func()) {
	signal.Ignore(syscall.SIGPIPE)
	quit := make(chan struct{})
	var inboxes []chan os.Signal
	for _, v := range Verbs {
		if v.Signal == syscall.SIGTTOU && KeepWriting(s.cfg.Dev) {
			continue
		}
		// One for each: a flood of one signal must not push another out.
		inbox := make(chan os.Signal, 16)
		inboxes = append(inboxes, inbox)
		signal.Notify(inbox, v.Signal)
		s.task(func() { s.hearSignal(v, inbox, quit) })
	}
	return func() {
		for _, inbox := range inboxes {
			signal.Stop(inbox)
		}
		close(quit)
	}
}

// hearSignal brings one kind of signal to the loop.
func (s *Supervisor) hearSignal(v Verb, inbox <-chan os.Signal, quit <-chan struct{}) {
	for {
		select {
		case <-inbox:
			if v.Signal == syscall.SIGTTOU && KeepWriting(false) {
				continue
			}
			s.post(message{do: func() {
				s.log.Debug(v.Signal.String(), "signal", int(v.Signal))
				v.do(s)
			}})
		case <-quit:
			return
		}
	}
}

// addWorkers changes the wanted number by n; at least one stays. After WINCH the
// first TTIN brings all back.
func (s *Supervisor) addWorkers(n int) {
	switch {
	case s.stopping != running || !s.booted:
	case s.paused() && n > 0:
		s.resize(s.cfg.startWith())
	case !s.paused() && s.wanted+n >= 1 && s.wanted+n <= maxWorkers:
		s.resize(s.wanted + n)
	}
}

// windowChanged is WINCH. A terminal sends it whenever its window changes, which
// must not steer the service.
func (s *Supervisor) windowChanged() {
	if !hasTerminal() {
		s.drainAll()
	}
}

// KeepWriting has this process ignore TTOU if its terminal sends that to whoever
// writes from the background (stty tostop), and says whether it does. Development
// ignores it in every terminal, which may be told so later, and so do its workers,
// whose access log goes there. A program that will be a supervisor calls it before
// its first line of output, which would stop it.
func KeepWriting(dev bool) bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil || !dev && mode.Lflag&unix.TOSTOP == 0 {
		return false
	}
	signal.Ignore(syscall.SIGTTOU)
	return true
}

// hasTerminal says whether there is a controlling terminal.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}
