package supervisor

import (
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const ms = time.Millisecond

// fakeProcess is a worker process without a process: behave says what it does with
// what it is told.
type fakeProcess struct {
	world *fakeWorld
	pid   int
	order order

	mu     sync.Mutex
	hear   func(handoff.Message, []int)
	told   []string // kinds of messages and signals, in order
	board  *handoff.Snapshot
	output []string

	ended chan exit
	once  sync.Once
}

func (p *fakeProcess) PID() int { return p.pid }

func (p *fakeProcess) Attend(hear func(handoff.Message, []int)) {
	p.hear = hear
	go p.world.behave(p, "start")
}

func (p *fakeProcess) Send(m handoff.Message, _ ...int) {
	p.tell(string(m.Kind))
	go p.world.behave(p, string(m.Kind))
}

func (p *fakeProcess) Signal(sig syscall.Signal) {
	p.tell(sig.String())
	go p.world.behave(p, sig.String())
}

func (p *fakeProcess) Kill(sig syscall.Signal) {
	p.tell("kill")
	p.end(exit{code: -1, signal: sig})
}

func (p *fakeProcess) Dump(reason string, done func([]byte, error)) {
	p.tell("dump")
	go func() {
		if p.world.noDump {
			time.Sleep(dumpTime)
			done(nil, errors.New("no answer"))
			return
		}
		time.Sleep(10 * ms)
		done([]byte("goroutine 1"), nil)
	}()
}

func (p *fakeProcess) Profile(seconds int, done func([]byte, error)) { done([]byte("profile"), nil) }

func (p *fakeProcess) Look(s *handoff.Snapshot, _ int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.board == nil {
		return false
	}
	*s = *p.board
	s.InFlight = slices.Clone(p.board.InFlight)
	for i := range s.InFlight {
		s.InFlight[i].Used = time.Duration(handoff.Now() - s.InFlight[i].Start)
	}
	p.world.set(func() {
		if !p.world.silent[p.pid] {
			s.Beat = handoff.Now()
		}
	})
	s.Opened = true
	return true
}

func (p *fakeProcess) Output() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output
}

func (p *fakeProcess) Wait() exit { return <-p.ended }

func (p *fakeProcess) Bereave() {}

func (p *fakeProcess) Close() {}

func (p *fakeProcess) tell(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, what)
}

func (p *fakeProcess) end(e exit) { p.once.Do(func() { p.ended <- e }) }

// say sends a message up.
func (p *fakeProcess) say(m handoff.Message) { p.hear(m, nil) }

func (p *fakeProcess) ready() {
	p.say(handoff.Message{Kind: handoff.Ready, Version: handoff.Version, Settings: p.world.settings})
}

// heard is all that it was told.
func (p *fakeProcess) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told)
}

// wasTold says whether a message or signal came.
func (p *fakeProcess) wasTold(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.told, what)
}

// request puts a request in flight into a fake's scoreboard.
func (p *fakeProcess) request(target string, limit time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board.InFlight = append(p.board.InFlight, handoff.InFlight{
		Request: handoff.Request{Method: "GET", Target: target, Limit: limit}, Start: handoff.Now(),
	})
}

// finish takes a request out again.
func (p *fakeProcess) finish(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board.InFlight = slices.DeleteFunc(p.board.InFlight, func(q handoff.InFlight) bool { return q.Target == target })
}

// obedient is a worker that does what it is told, after a while.
func obedient(p *fakeProcess, what string) {
	switch what {
	case "start":
		time.Sleep(50 * ms)
		p.mu.Lock()
		p.board = &handoff.Snapshot{}
		p.mu.Unlock()
		p.ready()
	case "drain", "stop", "terminated":
		time.Sleep(20 * ms)
		p.end(exit{})
	}
}
