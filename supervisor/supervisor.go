// The Supervisor: its requests and its loop.

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
	sys   system
	log   *journal
	inbox chan message
	done  chan struct{}   // closed when the loop has ended
	life  context.Context // ends with the loop
	tasks sync.WaitGroup  // what runs beside the loop
	hooks sync.WaitGroup  // those that are running
	born  time.Time

	// owned by the loop
	cfg         Config
	gen         *generation   // the one in force
	generations []*generation // that have workers, or may get some
	numbers     int           // generations so far
	workers     []*worker     // oldest first, but for those that are gone
	listeners   []*listener
	wanted      int
	booted      bool // a worker has been ready
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
	begun   bool      // on_exit has to run
	hurried bool      // a fast stop has begun
	opened  bool      // we serve, and others know

	watchdogEvery time.Duration
	watchdogFed   time.Time

	deaths     []Death
	deathCount map[Reason]int
	reloads    map[string]int
	lastReload *ReloadResult
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

// message is what arrives at the loop: about a worker, or something to do. Of an
// earlier epoch it is dropped, or it would hit the wrong process.
type message struct {
	worker *worker
	epoch  int // 0 in messages that the loop leaves for itself
	event  event
	reason Reason
	why    string

	proc process // evSpawned
	exit exit    // evExit, evEnd
	mail handoff.Message
	fds  []int

	do func()
}

// evMail is no event of the table: it becomes one when the message has been read.
const evMail = numEvents

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
	s.tasks.Wait()
	if s.failure != nil {
		return s.failure
	}
	return err
}

// loop owns everything until no worker is left after a stop.
func (s *Supervisor) loop(stop <-chan struct{}) {
	tick := time.NewTimer(s.period())
	defer tick.Stop()
	for s.settlePending(); !s.over(); s.settlePending() {
		select {
		case m := <-s.inbox:
			s.receive(m)
		case <-tick.C:
			s.watch()
			tick.Reset(s.period())
		case <-stop:
			stop = nil
			s.stop(false)
		}
	}
}

// over says that nothing is left to wait for.
func (s *Supervisor) over() bool {
	return s.stopping == leaving && len(s.workers) == 0 && s.upgrading == nil
}

// settlePending handles what actions left.
func (s *Supervisor) settlePending() {
	for len(s.pending) > 0 {
		m := s.pending[0]
		s.pending = s.pending[1:]
		s.receive(m)
	}
}

// after leaves a message for when the present one has been handled.
func (s *Supervisor) after(m message) { s.pending = append(s.pending, m) }

// post brings a message to the loop; false when that has ended.
func (s *Supervisor) post(m message) bool {
	select {
	case s.inbox <- m:
		return true
	case <-s.done:
		handoff.CloseFDs(m.fds)
		return false
	}
}

// task runs f beside the loop; Run waits for it.
func (s *Supervisor) task(f func()) { s.tasks.Go(f) }

// receive takes one message.
func (s *Supervisor) receive(m message) {
	if m.do != nil {
		m.do()
		return
	}
	w := m.worker
	if current := w.epochOf(m.event); m.epoch != 0 && m.epoch != current {
		handoff.CloseFDs(m.fds)
		return
	}
	switch m.event {
	case evMail:
		s.read(w, m)
	case evExit:
		if !s.wants(w) {
			m.event = evEnd
		}
		s.handle(w, m)
	default:
		s.handle(w, m)
	}
}

// epochOf is what a message about event must carry to count.
func (w *worker) epochOf(e event) int {
	if e == evTimer {
		return w.alarm
	}
	return w.epoch
}

// handle looks the event up, changes the state and acts.
func (s *Supervisor) handle(w *worker, m message) {
	step := table[w.state][m.event]
	if step.do == nil {
		return
	}
	from := w.state
	if from != step.next {
		w.state, w.since = step.next, time.Now()
	}
	step.do(w, m)
	if from != step.next {
		s.emit(w, from)
	}
}

// read makes an event of what a worker said.
func (s *Supervisor) read(w *worker, m message) {
	switch m.mail.Kind {
	case handoff.Passed:
		s.adopt(w, m)
		return
	case handoff.Ready:
		w.files(m.mail.Files)
		m.event = evReady
		if err := handoff.Compatible(handoff.Version, m.mail.Version); w.gen.cfg.App.Kind.contract() && err != nil {
			m.event, m.mail.Text = evFailed, err.Error()
		}
		s.handle(w, m)
	case handoff.Failed:
		m.event = evFailed
		s.handle(w, m)
	case handoff.Draining:
		w.deaf = true
		s.bid(w)
	case handoff.NoteMsg:
		s.log.say(level(m.mail.Level), m.mail.Text, w.keys())
	case handoff.Watch:
		w.files(m.mail.Files)
	}
	handoff.CloseFDs(m.fds)
}

// files tells development what w has loaded.
func (w *worker) files(names []string) {
	if heard := w.gen.cfg.OnFiles; heard != nil && len(names) > 0 {
		heard(names)
	}
}

// emit tells subscribers about a change of state.
func (s *Supervisor) emit(w *worker, from state) {
	if s.cfg.OnEvent == nil {
		return
	}
	e := Event{Slot: w.slot, Generation: w.gen.number, PID: w.pid(), From: from.String(), To: w.state.String(), Reason: w.reason, At: w.since}
	if w.state == waiting || w.state == gone {
		e.PID, e.Death = w.lastPID, w.death
	}
	s.cfg.OnEvent(e)
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
	return s.ask(ctx, func(answer chan<- error) { answer <- s.reopen() })
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
