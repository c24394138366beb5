// What the supervisor and a worker say to each other over the control socket.

package handoff

import "encoding/json"

// Kind is the verb of a message.
type Kind string

// Messages of a worker to its supervisor.
const (
	Ready    Kind = "ready"    // the application is loaded; requests are accepted from now on, not before
	Failed   Kind = "failed"   // the application cannot be loaded; Text says why
	Draining Kind = "draining" // no more connections are accepted
	NoteMsg  Kind = "note"     // a line for the log
	Passed   Kind = "passed"   // an idle kept connection, with its descriptor
	Watch    Kind = "watch"    // more source files to watch in development
	Done     Kind = "done"     // what was asked for by Dump or Profile has been written
	Fence    Kind = "fence"    // say so when all connections that were passed before have an owner, perhaps us
	Forked   Kind = "forked"   // preload process: PID is the new worker; 0 with Text on failure
)

// Messages of the supervisor to a worker.
const (
	Drain   Kind = "drain"   // stop accepting, finish, leave; Queue: empty the accept queue first
	Stop    Kind = "stop"    // leave within Grace
	Pause   Kind = "pause"   // a request is stuck: stop accepting, finish the others, do not leave
	Reopen  Kind = "reopen"  // new descriptors of the logs: access log, error log
	Adopt   Kind = "adopt"   // an idle kept connection of another worker, with its descriptor
	Resize  Kind = "resize"  // the wanted number of workers is Workers from now on
	Dump    Kind = "dump"    // write all stacks to the descriptor that comes along
	Profile Kind = "profile" // write a CPU profile of Seconds to the descriptor that comes along
	Reload  Kind = "reload"  // development: tell browsers; Text is the event
	Fenced  Kind = "fenced"  // they have
	Fork    Kind = "fork"    // preload process: fork a worker with Handoff, Env and the descriptors
)

// Message is one packet. Descriptors travel beside it.
type Message struct {
	Kind Kind `json:"kind"`

	Version  int       `json:"version,omitempty"`  // ready: the worker's contract
	Settings *Settings `json:"settings,omitempty"` // ready: what is in force
	Files    []string  `json:"files,omitempty"`    // ready, watch: source files that were loaded

	Level    string   `json:"level,omitempty"`    // note: debug, info, warn, error
	Text     string   `json:"text,omitempty"`     // note, failed, reload
	Listener int      `json:"listener,omitempty"` // passed, adopt: index of its listener
	Protocol string   `json:"protocol,omitempty"` // passed, adopt: what was spoken
	Queue    bool     `json:"queue,omitempty"`    // drain: serve what waits in the accept queue first; adopt: no worker is free at the moment
	Pass     bool     `json:"pass,omitempty"`     // drain: somebody is there to adopt idle connections
	Grace    Duration `json:"grace,omitempty"`    // drain, stop
	Workers  int      `json:"workers,omitempty"`  // resize
	Procs    int      `json:"procs,omitempty"`    // resize: as in Handoff; 0 = as before
	Memory   int64    `json:"memory,omitempty"`   // resize: GOMEMLIMIT; 0 = as before
	Seconds  int      `json:"seconds,omitempty"`  // profile
	Reason   string   `json:"reason,omitempty"`   // drain, stop: for OnDrain and the hooks; draining: why, where the supervisor did not ask for it

	// Fork. Descriptors in Handoff are indexes from 1 into those that come with the
	// message, of which the last two are the worker's stdout and stderr; Env holds
	// KEY=VALUE that differ from the preload process's.
	Handoff json.RawMessage `json:"handoff,omitempty"`
	Env     []string        `json:"env,omitempty"`
	PID     int             `json:"pid,omitempty"` // forked
}
