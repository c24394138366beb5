// What the loop needs of a worker process, and of the system around it. Tests put
// fakes behind these; spawn.go and its neighbours are the real thing.

package supervisor

import (
	"context"
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// process is one worker process. Its methods are called by the loop and never
// block, but for Wait, which its only reaper calls.
type process interface {
	PID() int
	Attend(func(handoff.Message, []int)) // from now on pass on what it says
	Send(handoff.Message, ...int)        // duplicates the descriptors
	Signal(syscall.Signal)               // the process alone
	Kill(syscall.Signal)                 // its whole group
	Dump(reason string, done func([]byte, error))
	Look(s *handoff.Snapshot, now int64) bool // the scoreboard, false when there is none
	Output() []string                         // its last lines
	Wait() exit
	Bereave() // after Wait: ends what the process left behind
	Close()
	Profile(seconds int, done func([]byte, error))
}

// exit is how a process ended.
type exit struct {
	code   int // -1 after a signal or when it never started
	signal syscall.Signal
	err    error         // it never started
	cpu    time.Duration // user and system
	oom    bool          // the kernel's out-of-memory killer was at work meanwhile
}

// order is what a launcher needs to know to start a worker.
type order struct {
	gen     *generation
	slot    int
	workers int
}

// system is the world outside of the loop.
type system struct {
	launch  func(context.Context, order) (process, error)
	prepare func(context.Context, *generation) error // resolves the folder, builds, starts a preload process
	retire  func(*generation)
	lookUp  func(Listener) *names
	bind    func(spec Listener, blocking bool) (*listener, error)
	depth   func(*listener) (queued, limit int)
	hook    func(context.Context, *Config, HookPoint, ...string) error
	memory  func(pid int, exact bool) int64 // bytes of PSS, or a cheap upper bound of it
	cpu     func(pid int) time.Duration
	stopped func(pid int) bool // by SIGSTOP, SIGTSTP or a debugger
	notify  func(state string) // the service manager
	title   func(name string)  // of our own process, with the application's name
	reap    func()             // strangers that became our children
	close   func()
	handled func(state, event) // a row of the table is about to be followed; nil outside of tests
}
