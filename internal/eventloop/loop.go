// The loop: its life, from New over Start and Drain to Close.

//go:build linux

package eventloop

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// ErrClosed is returned by calls on a loop or an exchange that has ended.
var ErrClosed = errors.New("eventloop: closed")

// Loop serves the connections of one process. Its methods may be called at the
// same time.
type Loop struct {
	// immutable after Start
	config    Config
	board     *handoff.Board
	ep        int
	listeners []*listener
	maxConns  int
	timeout   time.Duration
	file      *os.File // Go: the epoll descriptor in the netpoller

	conns   table
	ready   queue
	fresh   newcomers // foreign threads
	resting resting   // likewise
	width   width
	crew    crew
	slow    slow
	clock   atomic.Int64 // coarse: moved by the sweep

	siblings atomic.Int32
	inFlight atomic.Int64
	draining atomic.Bool
	passing  atomic.Bool
	drainAt  int64        // written before draining
	leaving  atomic.Int64 // what a drain has yet to do: queues to empty, connections to pass
	offered  atomic.Bool  // connections with a request on them, to other workers
	fenced   atomic.Bool  // a drain has asked whether they have arrived

	fullNoted atomic.Int64 // when the log was told that all places are taken

	life    sync.Mutex // guards what follows
	started bool
	closed  bool
	off     bool          // AcceptOff
	drained chan struct{} // closed when a drain has finished
	stop    chan struct{} // closed by Close
	faster  chan time.Duration
	room    chan struct{} // foreign: told when one of all places becomes free
	ending  sync.Once
	wait    sync.WaitGroup
}

// New makes a loop with its own epoll descriptor. It accepts nothing before Start.
func New(config Config) (*Loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventloop: %w", os.NewSyscallError("epoll_create1", err))
	}
	l := &Loop{
		config:   config,
		board:    config.Board,
		ep:       ep,
		maxConns: config.Settings.Connections,
		timeout:  time.Duration(config.Settings.Timeout),
		drained:  make(chan struct{}),
		stop:     make(chan struct{}),
		faster:   make(chan time.Duration, 1),
		room:     make(chan struct{}, 1),
	}
	if l.maxConns <= 0 {
		l.maxConns = 1 << 30
	}
	if l.board == nil {
		if l.board, err = handoff.OpenBoard(0); err != nil {
			unix.Close(ep)
			return nil, err
		}
	}
	l.SetSiblings(config.Siblings)
	l.crew.loop = l
	l.slow.limit, l.slow.tell = time.Duration(config.Settings.SlowRequest), config.Slow
	if l.slow.tell == nil {
		l.slow.tell = func(text string) {
			if l.config.Log != nil {
				l.config.Log.Print(text)
			}
		}
	}
	l.clock.Store(handoff.Now())
	return l, nil
}

// now is the coarse clock that silences are measured by: it costs a load.
func (l *Loop) now() int64 { return l.clock.Load() }

// SetSiblings says how many other processes accept from the same listeners now.
// Where there are some, connections and requests are left to those that have less to do.
func (l *Loop) SetSiblings(n int) { l.siblings.Store(int32(max(n, 0))) }

// SetProcs changes what Config.MaxProcs said, unless that left GOMAXPROCS alone.
func (l *Loop) SetProcs(n int) { l.width.limit(n) }

// Alone says that no other process accepts from the same listeners now.
func (l *Loop) Alone() bool { return l.siblings.Load() == 0 }

// Start starts the loop's goroutines and begins to accept. announce, if not nil, is
// called before the first connection is accepted, when only its own error can still
// keep that from happening: whoever got an answer can be sure that it was called.
func (l *Loop) Start(announce func() error) error {
	l.life.Lock()
	defer l.life.Unlock()
	if l.started || l.closed {
		return ErrClosed
	}
	l.started = true
	now := handoff.Now() // what came before, such as the import of an application, was no silence
	l.clock.Store(now)
	l.board.Beat(now)
	l.wait.Add(1)
	go l.sweeper()
	if l.config.Serve != nil {
		l.width.start(l.config.MaxProcs, l.board)
		if err := l.watchEpoll(); err != nil {
			return err
		}
	}
	for _, ls := range l.listeners {
		if err := l.open(ls); err != nil {
			return err
		}
	}
	if announce != nil {
		if err := announce(); err != nil {
			return err
		}
	}
	for _, ls := range l.listeners {
		l.admitFrom(ls)
	}
	return nil
}

// open prepares to accept from a listener.
func (l *Loop) open(ls *listener) error {
	if l.config.Serve == nil {
		return nil
	}
	ls.on = make(chan struct{}, 1)
	return ls.poll()
}

// admitFrom begins to accept from a listener.
func (l *Loop) admitFrom(ls *listener) {
	if l.config.Serve != nil {
		l.wait.Add(1)
		go l.acceptor(ls)
	} else if !l.off {
		ls.attach()
	}
}

// AcceptOff stops accepting until AcceptOn: connections stay in the accept queue,
// where other workers take them. What this process may have been woken for just
// before it still takes.
func (l *Loop) AcceptOff() {
	if l.StandAside() && l.config.Serve == nil {
		l.takeOwed()
	}
}

// StandAside is AcceptOff for a moment at which no foreign thread waits for events:
// then none was woken for a connection, and what has come is for other workers. It
// reports whether this loop was accepting before.
func (l *Loop) StandAside() bool {
	l.life.Lock()
	defer l.life.Unlock()
	return l.acceptOff()
}

func (l *Loop) acceptOff() bool {
	if l.off {
		return false
	}
	l.off = true
	for _, ls := range l.listeners {
		ls.stopAccepting()
	}
	return true
}

// AcceptOn begins to accept again, unless a drain has begun.
func (l *Loop) AcceptOn() {
	l.life.Lock()
	defer l.life.Unlock()
	if !l.off || l.draining.Load() || l.closed {
		return
	}
	l.off = false
	for _, ls := range l.listeners {
		ls.startAccepting()
	}
}

// Close ends everything at once: requests in flight are cancelled with
// cgi.ErrDraining, connections closed, goroutines of the loop waited for.
func (l *Loop) Close() error {
	l.life.Lock()
	if l.closed {
		l.life.Unlock()
		return nil
	}
	l.closed = true
	l.draining.Store(true)
	close(l.stop)
	l.acceptOff()
	for _, ls := range l.listeners {
		ls.startAccepting() // wakes the acceptor, which sees the end
	}
	l.life.Unlock()
	l.rested()
	for _, c := range l.conns.all(nil) {
		c.mu.Lock()
		c.lose(cgi.ErrDraining)
		c.close()
		c.unlock()
	}
	if l.file != nil {
		l.file.Close()
	}
	l.wait.Wait()
	for _, ls := range l.listeners {
		ls.close()
	}
	if l.file == nil {
		unix.Close(l.ep)
	}
	l.crew.close()
	l.width.end()
	l.checkDrained()
	return nil
}

// Stats are the loop's counters at one moment.
type Stats struct {
	Connections int // open
	Active      int // requests in flight
	Queued      int // requests that may start (foreign threads)
}

// Stats returns the counters. The others are in the scoreboard.
func (l *Loop) Stats() Stats {
	return Stats{Connections: l.conns.size(), Active: int(l.inFlight.Load()), Queued: l.Queued()}
}

// Board is the scoreboard that the loop writes.
func (l *Loop) Board() *handoff.Board { return l.board }

func (l *Loop) logf(format string, args ...any) {
	if l.config.Log != nil {
		l.config.Log.Printf(format, args...)
	}
}
