// The snapshot that operators, metrics and the health endpoint look at.

package supervisor

import (
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// Snapshot is the state of everything at one moment. It shares no memory with
// the supervisor.
type Snapshot struct {
	App        string    `json:"app"`
	Kind       Kind      `json:"kind"`
	PID        int       `json:"pid"`
	Started    time.Time `json:"started"`
	Generation int       `json:"generation"`
	Ready      bool      `json:"ready"` // a worker is ready and no stop has begun
	Stopping   bool      `json:"stopping,omitempty"`
	Wanted     int       `json:"workers_wanted"`

	Workers    []WorkerStatus   `json:"workers"`
	Listeners  []ListenerStatus `json:"listeners"`
	LastReload *ReloadResult    `json:"last_reload,omitempty"`
	Deaths     []Death          `json:"deaths"`  // the latest, newest first, at most 20
	Reloads    map[string]int   `json:"reloads"` // by result: ok, refused
	DeathCount map[Reason]int   `json:"death_count"`

	// Settings are what the newest worker that became ready says is in force.
	Settings *handoff.Settings `json:"settings,omitempty"`

	Spawned int              `json:"spawned"`  // processes started
	GoneCPU time.Duration    `json:"gone_cpu"` // used by processes that ended
	Gone    handoff.Counters `json:"gone"`     // sum of the counters of processes that ended
}

// WorkerStatus describes one worker process.
type WorkerStatus struct {
	Slot       int       `json:"slot"`
	Generation int       `json:"generation"`
	PID        int       `json:"pid"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`              // in this state
	Started    time.Time `json:"started"`            // spawned
	Reason     Reason    `json:"reason,omitempty"`   // why it is leaving or waiting
	Restarts   int       `json:"restarts,omitempty"` // crashes in a row

	Requests uint64          `json:"requests"`
	Errors   uint64          `json:"errors"`
	InFlight []RequestStatus `json:"in_flight,omitempty"`
	Beat     time.Duration   `json:"beat"` // since the last heartbeat

	Counters handoff.Counters `json:"counters"` // since this process started
	Gauges   handoff.Gauges   `json:"gauges"`

	PSS int64         `json:"pss"` // bytes
	CPU time.Duration `json:"cpu"` // user and system
}

// RequestStatus is one request in flight.
type RequestStatus struct {
	ID       string        `json:"id,omitempty"`
	Protocol string        `json:"protocol,omitempty"`
	Remote   string        `json:"remote,omitempty"`
	Method   string        `json:"method"`
	Path     string        `json:"path"`
	Age      time.Duration `json:"age"`              // since it began
	Owned    time.Duration `json:"owned"`            // of which the handler's own time, what timeout counts
	Limit    time.Duration `json:"limit,omitempty"`  // of Owned, 0 = none
	Paused   bool          `json:"paused,omitempty"` // Owned stands: the front is sending or taking
}

// Victim is a request that ended because its worker did.
type Victim struct {
	RequestStatus
	Slot, Generation, PID int
	Reason                Reason
}

// ListenerStatus describes one listener.
type ListenerStatus struct {
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Queue    int    `json:"queue"` // connections that wait to be accepted, -1 unknown
	Limit    int    `json:"limit"` // as the kernel truncated it
}

// ReloadResult says how the last reload went.
type ReloadResult struct {
	At         time.Time     `json:"at"`
	Took       time.Duration `json:"took"`
	OK         bool          `json:"ok"`
	Generation int           `json:"generation"` // in force afterwards
	Reason     string        `json:"reason,omitempty"`
	Output     []string      `json:"output,omitempty"`
}

// Death is the report on a worker that ended.
type Death struct {
	Slot       int             `json:"slot"`
	Generation int             `json:"generation"`
	PID        int             `json:"pid"`
	At         time.Time       `json:"at"`
	Age        time.Duration   `json:"age"`
	Reason     Reason          `json:"reason"`
	Why        string          `json:"why,omitempty"` // more about the reason
	Code       int             `json:"code"`          // exit status, -1 after a signal
	Signal     syscall.Signal  `json:"signal,omitempty"`
	By         Killer          `json:"by,omitempty"` // who sent Signal
	Requests   uint64          `json:"requests"`
	InFlight   []RequestStatus `json:"in_flight,omitempty"` // lost with it
	Output     []string        `json:"output,omitempty"`    // last lines
}

// Killer says who ended a process with a signal.
type Killer string

// Those who kill.
const (
	ByUs     Killer = "appd"
	ByOOM    Killer = "kernel: out of memory"
	ByItself Killer = "itself" // SIGSEGV, SIGABRT and the like
	ByLimit  Killer = "kernel: resource limit"
	ByOther  Killer = "somebody else" // by hand, by the service manager
)

// Event is one step in a worker's life.
type Event struct {
	Slot       int
	Generation int
	PID        int
	From, To   string // states
	Reason     Reason
	At         time.Time
	Death      *Death // when a process ended
}
