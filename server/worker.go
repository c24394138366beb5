// The worker: a server under appd, from the hand-over to the last answer.

//go:build linux

package server

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/accesslog"
	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/server/dev"
)

// self is who this process is; written before anything serves.
var self = struct {
	Worker
	wide  bool // GOMAXPROCS may be changed
	procs int
}{Worker: Worker{PID: os.Getpid()}}

// Self says who this process is.
func Self() Worker { return self.Worker }

// worker is a server and its line to the supervisor.
type worker struct {
	*instance
	line   *handoff.Conn
	access *accesslog.Log
	hub    *dev.Hub

	leaving sync.Once
	reason  string
	over    chan error // the end of leaving
}

// handed is what a supervisor handed over, claimed before main begins: a child that
// the program starts before it calls Run must not inherit the listeners, nor take
// itself for a worker.
var handed, errHanded = handoff.Load()

// memoryLimit is what GOMEMLIMIT said, or the supervisor since.
var memoryLimit = debug.SetMemoryLimit(-1)

// runWorker serves what a supervisor handed over. under is false when there was none.
func (s *Server) runWorker() (under bool, err error) {
	h := handed
	if errHanded != nil {
		return true, errHanded
	}
	if h == nil {
		self.wide = os.Getenv("GOMAXPROCS") == ""
		self.procs = max(runtime.GOMAXPROCS(0), 1)
		return false, nil
	}
	self.Worker = Worker{Name: h.Name, Slot: h.Slot, Generation: h.Generation, PID: self.PID}
	signal.Ignore(unix.SIGPIPE, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGTTOU)
	handoff.SetTitle(fmt.Sprintf("appd: worker %d gen %d [%s]", h.Slot, h.Generation, h.Name)) // only a name in ps
	line, err := handoff.NewConn(h.Control)
	if err != nil {
		return true, err
	}
	defer line.Close()
	if s.ErrorLog == nil {
		s.ErrorLog = log.New(notes{line}, "", 0)
	}
	w, err := s.newWorker(h, line)
	if err != nil {
		line.Send(handoff.Message{Kind: handoff.Failed, Text: err.Error()})
		return true, err
	}
	return true, w.run()
}

// notes sends every line of the log to the supervisor as one message, stacks and
// all; what it cannot send goes to standard error.
type notes struct{ line *handoff.Conn }

func (n notes) Write(p []byte) (int, error) {
	m := handoff.Message{Kind: handoff.NoteMsg, Level: "warn", Text: strings.TrimSuffix(string(p), "\n")}
	if strings.HasPrefix(m.Text, panicPrefix) {
		m.Level = "error"
	}
	if n.line.Send(m) != nil {
		os.Stderr.Write(p)
	}
	return len(p), nil
}

func (s *Server) newWorker(h *handoff.Handoff, line *handoff.Conn) (*worker, error) {
	v := s.settings()
	if err := override(&v, h.Settings); err != nil {
		return nil, err
	}
	board, err := handoff.OpenBoard(h.Scoreboard)
	if err != nil {
		return nil, err
	}
	format, err := accesslog.Compile(v.AccessLogFormat)
	if err != nil {
		return nil, err
	}
	w := &worker{line: line, over: make(chan error, 1)}
	w.access = accesslog.New(h.AccessLog, format, accesslog.Worker{Slot: h.Slot, Generation: h.Generation, PID: self.PID}, handoff.Now())
	config := eventloop.Config{
		Board: board, Access: w.access, MaxProcs: h.Procs, Siblings: h.Workers - 1, PassIdle: w.passIdle,
		Slow: func(text string) { line.Send(handoff.Message{Kind: handoff.NoteMsg, Level: "warn", Text: text}) },
	}
	if h.Dev {
		w.hub = dev.NewHub(h.Born, v.Mount)
		w.hub.Attach(&config)
	}
	if w.instance, err = newInstance(s, v, config); err != nil {
		return nil, err
	}
	for i := range h.Listeners {
		ls, err := inherited(&h.Listeners[i], &v)
		if err != nil {
			return nil, err
		}
		if _, err := w.loop.Listen(ls); err != nil {
			return nil, err
		}
		unix.Close(ls.FD)
	}
	return w, nil
}

// run serves until the worker has left.
func (w *worker) run() error {
	defer w.end()
	w.hook("post_worker_init", func() {
		if f := w.hooks.PostWorkerInit; f != nil {
			f(Self())
		}
	})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGQUIT, unix.SIGINT)
	defer signal.Stop(signals)
	if err := w.loop.Start(w.ready); err != nil {
		w.line.Send(handoff.Message{Kind: handoff.Failed, Text: err.Error()})
		return err
	}
	go w.listen()
	for {
		select {
		case err := <-w.over:
			return err
		case sig := <-signals:
			m := handoff.Message{Kind: handoff.Drain, Queue: true, Pass: !w.loop.Alone(), Reason: unix.SignalName(sig.(unix.Signal)) + " from somebody else"}
			if sig == unix.SIGINT {
				m.Kind = handoff.Stop
			}
			w.obey(m, nil)
		}
	}
}

// ready says that requests are about to be accepted, before the first one is: a worker
// that has answered somebody counts as one that has booted.
func (w *worker) ready() error {
	w.loop.Board().SetState(handoff.Serving)
	if err := w.line.Send(handoff.Message{Kind: handoff.Ready, Version: handoff.Version, Settings: &w.settings}); err != nil {
		return fmt.Errorf("server: the supervisor is gone: %w", err)
	}
	return nil
}

// end is the last thing a worker does.
func (w *worker) end() {
	w.hook("worker_exit", func() {
		if f := w.hooks.WorkerExit; f != nil {
			f(Self(), w.reason)
		}
	})
	w.access.Flush()
	if w.hub != nil {
		w.hub.Close()
	}
}

// listen obeys the supervisor until one of the two is gone.
func (w *worker) listen() {
	for {
		m, fds, err := w.line.Receive()
		switch {
		case err == nil:
			w.obey(m, fds)
		case errors.Is(err, handoff.ErrPacket):
			w.log.Printf("%v", err)
		default:
			if errors.Is(err, io.EOF) {
				w.leave(handoff.Message{Kind: handoff.Drain, Queue: true, Reason: "the supervisor is gone"})
			}
			return
		}
	}
}

// obey does what a message asks for.
func (w *worker) obey(m handoff.Message, fds []int) {
	switch m.Kind {
	case handoff.Drain, handoff.Stop:
		w.leave(m)
	case handoff.Pause:
		w.loop.Board().SetState(handoff.Pausing)
		w.loop.AcceptOff()
	case handoff.Reopen:
		fds = w.reopen(fds)
	case handoff.Adopt:
		if len(fds) > 0 {
			if err := w.loop.Adopt(fds[0], m.Listener, eventloop.Protocols[m.Protocol], m.Queue); err != nil {
				w.log.Printf("%v", err)
			}
			fds = fds[1:]
		}
	case handoff.Resize:
		w.resize(m)
	case handoff.Dump:
		if m.Reason != "" && w.hooks.WorkerAbort != nil {
			w.hook("worker_abort", func() { w.hooks.WorkerAbort(Self()) })
		}
		fds = w.report(m, fds, func(f *os.File) error { return writeStacks(f) })
	case handoff.Profile:
		fds = w.report(m, fds, func(f *os.File) error { return writeProfile(f, m.Seconds) })
	case handoff.Reload:
		if w.hub != nil {
			if err := w.hub.Tell(m.Text); err != nil {
				w.log.Printf("%v", err)
			}
		}
	}
	handoff.CloseFDs(fds)
}

// resize follows a change of the number of workers. A limit of memory that the program
// has chosen meanwhile stays.
func (w *worker) resize(m handoff.Message) {
	w.loop.SetSiblings(m.Workers - 1)
	w.loop.SetProcs(m.Procs)
	if m.Memory > 0 && debug.SetMemoryLimit(-1) == memoryLimit {
		debug.SetMemoryLimit(m.Memory)
		memoryLimit = m.Memory
	}
}

// reopen takes the new descriptor of the access log. Lines for the error log go to
// standard error, which the supervisor follows by itself.
func (w *worker) reopen(fds []int) []int {
	if len(fds) > 0 && w.access.Enabled() {
		w.access.Reopen(fds[0])
		return fds[1:]
	}
	return fds
}
