// The configuration as the rest of appd sees it: plain structs, every value
// decoded and checked.

package config

import (
	"io/fs"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// Config is a complete configuration. Durations and sizes of zero mean that the
// limit is off unless the field says otherwise.
type Config struct {
	File string // path of appd.hcl as it was named; "" without a file
	Base string // absolute folder that relative paths start from

	App    App
	Listen []*Listen
	Hooks  []*Hook
	Admin  []*Admin
	Nginx  []*Nginx // one for each nginx block

	// Worker holds what concerns the inside of a worker. Only what somebody wrote
	// is handed over (see [Config.Handed]), the rest is up to the program.
	Worker handoff.Settings

	Workers           int // wanted worker processes
	WorkersMin        int // 0 = the number is fixed
	WorkersMax        int
	MaxRequests       int // 0 = never recycled
	MaxRequestsJitter int
	MaxAge            time.Duration
	MaxAgeJitter      time.Duration
	MaxMemory         int64 // bytes of PSS, looked at after a request
	MaxMemoryHard     int64 // bytes of PSS, at once
	BootTimeout       time.Duration
	HookTimeout       time.Duration
	StopDelay         time.Duration
	Daemon            bool
	RunDir            string // "" until [Config.RunFolder] chooses one
	PIDFile           string
	User, Group       string
	InitGroups        bool
	Umask             Octal // -1 = unchanged
	ProcName          string
	AccessLog         string // path, "-", or "" for none
	ErrorLog          string // path or "-"
	LogLevel          string
	LogFormat         string
	CaptureOutput     bool
	InheritStdio      bool
	Reload            bool
	ReloadEngine      string
	ReloadExtraFiles  []string
	BrowserReload     []string

	CheckConfig bool // asked for on the command line
	PrintConfig bool

	// Warnings are faults that do not keep the configuration from being used.
	Warnings Faults

	origins map[any]Origin // pointer to a field -> where its value came from
	places  []place        // every struct that holds settings, in the order of printing
}

// Kind is how an application is run.
type Kind string

// The kinds, named as the attribute that chooses them.
const (
	Go      Kind = "go"
	Command Kind = "command"
	WSGI    Kind = "wsgi"
	FastCGI Kind = "fastcgi"
	Exec    Kind = "exec"
)

// Contract tells whether workers of this kind speak appd's own contract: fd 3,
// readiness, scoreboard, drain.
func (k Kind) Contract() bool { return k == Go || k == Command || k == WSGI }

// App is the program to run. Exactly one of Go, Command, WSGI, FastCGI and Exec is
// set, as Kind says.
type App struct {
	Name    string
	Kind    Kind
	Go      string
	Command []string
	WSGI    string
	FastCGI []string
	Exec    []string
	Args    []string // of a Go package's program; only the command line gives some

	Python      string // "" = VIRTUAL_ENV's, then python3 of PATH
	PythonPath  []string
	PreloadApp  bool
	WorkerClass string
	Spew        bool

	Chdir      string            // absolute, symlinks not resolved
	Env        map[string]string // env_file, then env, then -e
	EnvFile    []string
	BuildFlags []string
	Before     []string // a command that runs before the build and before each generation
	ReadyAfter time.Duration
	StopSignal string
}

// Listen is one listening socket.
type Listen struct {
	Address      string // unix:/abs/path, unix:@name, HOST:PORT or fd://N
	Protocol     string // auto, fastcgi, uwsgi or http
	Mode         Octal
	Owner        string
	Group        string
	Backlog      int
	AllowPeers   []string
	Front        string
	PathFrom     string
	ForwardedIPs []string
	Hops         int
	Proxy        bool
	Stderr       bool
	ChunkedInput bool
}

// Hook is what to do at one moment of the life of the supervisor or of a worker.
type Hook struct {
	Name    string
	Command []string // hooks of the supervisor
	Python  string   // hooks inside a Python worker: module:callable
}

// Admin is an address where metrics, health and the status page are served.
type Admin struct {
	Address    string
	Mode       Octal
	Owner      string
	Group      string
	AllowPeers []string
}

// Nginx is a site that appd writes for nginx and, if Manage is set, lets nginx serve.
type Nginx struct {
	Listen           []string // as in nginx: PORT, ADDR:PORT or unix:PATH
	ServerName       []string
	Protocol         string // which *_pass to write: fastcgi, uwsgi or http
	Upstream         string // address of the listener that nginx passes to
	Manage           bool
	KeepAlive        int // idle connections to the application
	Buffering        bool
	RequestBuffering bool
	Include          []string
	Static           []*Static
}

// Static is a path prefix that nginx answers from files. Exactly one of Root and
// Alias is set.
type Static struct {
	Prefix   string
	Root     string // the whole path is sought below it
	Alias    string // takes the place of the prefix
	Expires  time.Duration
	Internal bool
}

// Octal is a set of permission bits, written in octal as a string.
type Octal int

// FileMode returns the bits as the os package wants them.
func (o Octal) FileMode() fs.FileMode { return fs.FileMode(o) & fs.ModePerm }

// newConfig returns a configuration in which nobody has written anything yet.
func newConfig(base string) *Config {
	c := &Config{Base: base, Worker: handoff.Defaults(), Umask: -1, origins: map[any]Origin{}}
	c.fill(place{InApp, c, ""})
	c.fill(place{Top, c, ""})
	c.App.Env = map[string]string{}
	return c
}

// fill gives every setting of p its default and remembers p for printing.
func (c *Config) fill(p place) {
	c.places = append(c.places, p)
	for _, s := range Settings {
		if s.Block != p.block || s.Default == "" {
			continue
		}
		v, err := s.parse(s.Default)
		if err != nil {
			panic("config: default of " + s.Name + ": " + err.Error())
		}
		assign(s.field(p.at), v)
	}
}
