// The Supervisor: what it owns, how it begins and ends, what others ask of it.

package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// Supervisor keeps an application's workers alive.
type Supervisor struct {
	// immutable
	sys       system
	log       *journal
	inbox     chan message
	done      chan struct{}   // closed when the loop has ended
	life      context.Context // ends with the loop
	tasks     sync.WaitGroup  // what runs beside the loop
	hooks     sync.WaitGroup  // those that are running
	reopening sync.Mutex      // held while logs are opened again
	born      time.Time

	// owned by the loop
	cfg         Config
	gen         *generation   // the one in force
	generations []*generation // that have workers, or may get some
	numbers     int           // generations so far
	workers     []*worker     // oldest first, but for those that are gone
	listeners   []*listener
	wanted      int
	booted      bool       // a worker has been ready
	unborn      *BootError // of the first worker that did not boot, until one has
	stopping    stopping
	failure     error
	pending     []message // left by actions, handled before the inbox

	reloading *reloading
	again     []chan<- error // a reload is wanted after this one; nil entries wait for nothing
	recycling *worker        // the successor that is awaited
	farewells []*farewell    // answers that wait for old workers
	upgrading *upgrading
	successor *upgrading  // has taken over: it adopts our idle connections
	standIn   *generation // the fallback, while it is in force
	inherited *heritage   // what we took over from a predecessor; nil without one
	activated *activation // what the service manager opened; nil without it
	restart   []string    // the command line of an upgrade
	startDir  string

	pidfile *pidfile
	scaler  scaler
	watched time.Time // the last watch
	tended  time.Time // when files were last looked after
	begun   bool      // on_exit has to run
	hurried bool      // a fast stop has begun
	opened  bool      // we serve, and others know

	watchdogEvery time.Duration
	watchdogFed   time.Time

	deaths     []Death
	deathCount map[Reason]int
	reloads    map[string]int
	lastReload *ReloadResult
	reopens    int // of the logs
	spawned    int
	said       *handoff.Settings // by the newest worker that became ready
	gone       handoff.Counters  // of processes that ended
	goneCPU    time.Duration     // user and system time of those
}

// stopping says how far the end has come.
type stopping uint8

const (
	running  stopping = iota
	delaying          // stop_delay: workers serve, the health endpoint says no
	leaving           // workers were told to leave
)

// New checks cfg and makes a supervisor that owns nothing yet.
func New(cfg Config) (*Supervisor, error) {
	if len(cfg.App.Command) == 0 && cfg.App.Prepare == nil {
		return nil, errors.New("supervisor: neither a command nor a way to prepare one")
	}
	if cfg.Workers < 1 {
		return nil, errors.New("supervisor: no workers")
	}
	if cfg.App.Kind == KindFastCGI && len(cfg.Listeners) != 1 {
		return nil, errors.New("supervisor: a fastcgi application has exactly one listener, on its descriptor 0")
	}
	s := newSupervisor(cfg)
	var err error
	if s.inherited, err = receiveHeritage(); err != nil {
		return nil, err
	}
	s.activated = receiveActivation()
	return s, nil
}

// Successor says, before Run, whether this supervisor was started for an upgrade: a
// predecessor still serves.
func (s *Supervisor) Successor() bool { return s.inherited != nil }

// PredecessorRunDir is the predecessor's Config.RunDir; "" without one.
func (s *Supervisor) PredecessorRunDir() string {
	if s.inherited == nil {
		return ""
	}
	return s.inherited.estate.RunDir
}

func newSupervisor(cfg Config) *Supervisor {
	cfg = cfg.withDefaults()
	return &Supervisor{
		cfg:        cfg,
		log:        newJournal(&cfg),
		inbox:      make(chan message),
		done:       make(chan struct{}),
		born:       time.Now(),
		deathCount: map[Reason]int{},
		reloads:    map[string]int{},
	}
}

// Run binds the listeners, runs the workers and returns when all have left: nil
// after a stop that was asked for, by a signal, by [Supervisor.Stop] or by the
// end of ctx (which is a graceful stop). [ExitStatus] tells the exit status of its
// errors. It is called once.
func (s *Supervisor) Run(ctx context.Context) error {
	life, cancel := context.WithCancel(context.Background())
	s.life = life
	go s.log.run()
	defer s.log.close()
	quiet := func() {}
	if s.sys.launch == nil { // tests bring their own
		s.sys = s.realSystem()
		defer s.sys.close()
		quiet = s.listenSignals()
		s.sys.title(s.cfg.App.Name)
	}
	if s.failure = s.begin(); s.failure == nil {
		s.loop(ctx.Done())
	}
	quiet()
	err := s.release()
	close(s.done)
	cancel()
	s.awaitTasks()
	if s.failure != nil {
		return s.failure
	}
	return err
}

const taskTime = 10 * time.Second // for what runs beside the loop to end after it

// awaitTasks waits for what runs beside the loop, but not for ever: a file system that
// does not answer must not keep us when everybody else has gone.
func (s *Supervisor) awaitTasks() {
	ended := make(chan struct{})
	go func() {
		s.tasks.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(taskTime):
		s.log.Warn("something that was begun does not end; left behind")
	}
}

// ask runs f on the loop and waits for the answer that f gives, now or later,
// through the channel.
func (s *Supervisor) ask(ctx context.Context, f func(chan<- error)) error {
	answer := make(chan error, 1)
	select {
	case s.inbox <- message{do: func() { f(answer) }}:
	case <-s.done:
		return ErrStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-answer:
		return err
	case <-s.done:
		select {
		case err := <-answer:
			return err
		default:
			return ErrStopping
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reload loads the configuration and the code afresh and waits until no old worker
// accepts connections any more (for those that do not say so, three seconds). A
// refusal is a [*ReloadError]; the old generation
// then goes on. The end of ctx ends the wait only.
func (s *Supervisor) Reload(ctx context.Context) error {
	return s.ask(ctx, func(answer chan<- error) { s.reload(answer) })
}

// Stop ends Run: workers serve the accept queue, finish what is in flight and
// leave. fast gives them one second, and none the second time. It waits for
// nothing: Run's return is the end.
func (s *Supervisor) Stop(ctx context.Context, fast bool) error {
	return s.ask(ctx, func(answer chan<- error) {
		s.stop(fast)
		answer <- nil
	})
}

// Scale sets the number of workers until the next reload.
func (s *Supervisor) Scale(ctx context.Context, n int) error {
	return s.ask(ctx, func(answer chan<- error) { answer <- s.scale(n) })
}

// Reopen opens the logs again and gives workers the new ones.
func (s *Supervisor) Reopen(ctx context.Context) error {
	return s.ask(ctx, func(answer chan<- error) { s.reopen(answer) })
}

// Upgrade starts this program's file afresh, hands everything over and, when the
// new supervisor is ready, drains this one: Run then returns nil. If the new one
// does not come up this one goes on and the error says why.
func (s *Supervisor) Upgrade(ctx context.Context) error {
	return s.ask(ctx, func(answer chan<- error) { s.upgrade(answer) })
}

// Tell sends a development event to the browsers of all workers.
func (s *Supervisor) Tell(event string) {
	s.post(message{do: func() {
		for _, w := range s.workers {
			if w.state == ready && w.gen.cfg.App.Kind.contract() {
				w.proc.Send(handoff.Message{Kind: handoff.Reload, Text: event})
			}
		}
	}})
}
