// What a worker inherits: the APPD_HANDOFF variable and the descriptors it names.

package handoff

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version is the version of the contract that this package speaks.
const Version = 1

// Env is the name of the variable that carries a [Handoff] as JSON.
const Env = "APPD_HANDOFF"

// ControlFD is the descriptor of the worker's end of the control socket.
const ControlFD = 3

// Handoff is what the supervisor tells a worker before its first instruction.
// Descriptors of 0 mean that there is none.
type Handoff struct {
	Version    int        `json:"version"`
	Name       string     `json:"name"`       // the application's
	Slot       int        `json:"slot"`       // 0..N-1, kept by a replacement
	Generation int        `json:"generation"` // which load of the code
	Workers    int        `json:"workers"`    // how many are wanted
	Control    int        `json:"control"`    // ControlFD
	Scoreboard int        `json:"scoreboard,omitempty"`
	AccessLog  int        `json:"access_log,omitempty"`
	ErrorLog   int        `json:"error_log,omitempty"`
	Listeners  []Listener `json:"listeners"`

	// Settings holds only what somebody wrote: in appd.hcl, the environment or on
	// the command line. Decoding it into the [Settings] that the program has
	// chosen overrides just that.
	Settings json.RawMessage `json:"settings,omitempty"`

	// Python is what a Python worker has to load; nil for other kinds.
	Python *Python `json:"python,omitempty"`

	// Procs is the worker's share of the CPUs: how far it may raise GOMAXPROCS, which
	// the supervisor set to 1. 0 means that a person set GOMAXPROCS: leave it.
	Procs int `json:"procs,omitempty"`

	// Dev switches the browser's live reload on. Born is when this load of the code
	// began, in Unix milliseconds: by it pages tell one load from another.
	Dev  bool  `json:"dev,omitempty"`
	Born int64 `json:"born,omitempty"`
}

// Listener is an inherited listening socket and what is spoken on it.
type Listener struct {
	FD            int      `json:"fd"`
	Address       string   `json:"address"`  // as written: unix:PATH, HOST:PORT, fd://N
	Protocol      string   `json:"protocol"` // auto, fastcgi, uwsgi, http
	Front         string   `json:"front,omitempty"`
	PathFrom      string   `json:"path_from,omitempty"` // "" or request-uri
	ProxyProtocol bool     `json:"proxy_protocol,omitempty"`
	ForwardedIPs  []string `json:"forwarded_allow_ips,omitempty"`
	ForwardedHops int      `json:"forwarded_hops,omitempty"`
	AllowPeers    []string `json:"allow_peers,omitempty"`         // users (Unix) or networks (TCP) that may connect
	Stderr        bool     `json:"fastcgi_stderr,omitempty"`      // failures are told to FastCGI fronts
	ChunkedInput  bool     `json:"uwsgi_chunked_input,omitempty"` // uwsgi bodies may be chunked
}

// Python says what a Python worker runs.
type Python struct {
	App         string            `json:"app"`               // module:callable
	Path        []string          `json:"path"`              // put in front of sys.path
	WorkerClass string            `json:"worker_class"`      // sync, gthread, gevent
	Engine      string            `json:"engine"`            // path of appd_engine.abi3.so
	Release     string            `json:"release,omitempty"` // version that the engine must have; empty: any
	Preload     bool              `json:"preload,omitempty"`
	Spew        bool              `json:"spew,omitempty"`
	LogLevel    string            `json:"log_level,omitempty"` // debug, info, warning, error, critical
	Hooks       map[string]string `json:"hooks,omitempty"`     // hook name: module:callable
}

// Settings concern the inside of a worker. A program may choose them in code
// (fields of server.Server); what somebody wrote elsewhere stands above that.
type Settings struct {
	Timeout         Duration `json:"timeout"`          // limit of one request, 0 = none
	ReadTimeout     Duration `json:"read_timeout"`     // longest silence of the front while it sends
	WriteTimeout    Duration `json:"write_timeout"`    // longest silence of the front while it takes
	GracefulTimeout Duration `json:"graceful_timeout"` // drain limit
	KeepAlive       Duration `json:"keepalive"`        // idle kept connections

	Connections int `json:"worker_connections"` // open connections of one worker
	Threads     int `json:"threads"`            // of a Python worker

	LimitLine      int   `json:"limit_request_line"`       // bytes of an HTTP request line
	LimitFields    int   `json:"limit_request_fields"`     // fields of an HTTP head
	LimitFieldSize int   `json:"limit_request_field_size"` // bytes of one of them
	LimitParams    int   `json:"limit_request_params"`     // bytes of FastCGI params or uwsgi vars
	LimitBody      int64 `json:"limit_request_body"`       // bytes, 0 = none

	Mount     string `json:"mount"`          // path prefix under which the front mounts the app
	TmpDir    string `json:"worker_tmp_dir"` // spooled bodies
	BodySpool bool   `json:"body_spool"`
	Sendfile  bool   `json:"sendfile"`

	AccessLogFormat string   `json:"access_log_format"`
	SlowRequest     Duration `json:"slow_request"`
}

// Defaults are the settings that nobody wrote.
func Defaults() Settings {
	return Settings{
		Timeout:         Duration(30 * time.Second),
		ReadTimeout:     Duration(60 * time.Second),
		WriteTimeout:    Duration(60 * time.Second),
		GracefulTimeout: Duration(30 * time.Second),
		KeepAlive:       Duration(75 * time.Second),
		Connections:     1000,
		Threads:         1,
		LimitLine:       4094,
		LimitFields:     100,
		LimitFieldSize:  8190,
		LimitParams:     1 << 20,
		BodySpool:       true,
		Sendfile:        true,
		AccessLogFormat: `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
	}
}

// Duration is a time.Duration that reads and writes itself as "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Compatible reports whether a supervisor and a worker of these contract versions
// can work together: the supervisor serves its own version and the one before.
// Both sides ask, the worker in [Load], the supervisor when it reads Ready.
func Compatible(supervisor, worker int) error {
	if worker == supervisor || worker == supervisor-1 && worker > 0 {
		return nil
	}
	remedy := "build it with a newer github.com/appd-server/appd/server"
	if worker > supervisor {
		remedy = "install a newer appd"
	}
	return fmt.Errorf("handoff: the program speaks version %d of the worker contract, appd speaks version %d: %s", worker, supervisor, remedy)
}
