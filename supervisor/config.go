// What a supervisor is told: the application, its listeners, how many workers,
// how long each step may take. Plain Go; whoever reads a file fills it.

package supervisor

import (
	"context"
	"encoding/json"
	"os"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/handoff"
)

// Config is everything a [Supervisor] needs to know. A zero duration means the
// default named at its field; a negative one switches the limit off.
type Config struct {
	App       App
	Listeners []Listener

	Workers    int // wanted, at least 1
	WorkersMin int // with WorkersMax: follow the queue wait between the two; 0 = fixed at Workers
	WorkersMax int

	BootTimeout     time.Duration // spawn to ready; 60s
	GracefulTimeout time.Duration // drain limit, where the worker does not name its own; 30s
	Timeout         time.Duration // of a request, where the worker does not name its own; 0 = none
	HookTimeout     time.Duration // 10s
	StopDelay       time.Duration // Status.Ready is false this long before a stop begins; 0

	Recycle Recycle

	// Settings holds what somebody wrote about the inside of a worker, as JSON
	// that decodes over a [handoff.Settings].
	Settings json.RawMessage

	Hooks []Hook

	PIDFile string // written when ready, locked; "" = none
	RunDir  string // folder of our own, which only an upgrade can change

	Log       hclog.Logger                  // nil: discarded
	Output    hclog.Logger                  // for lines of workers' output that name no level of their own, whatever level Log has; nil: Log
	ReopenLog func() error                  // makes Log write into a new file (USR1); may be nil
	LogLost   func() (lines int, why error) // what Log could not write since this was last asked, once it can again; may be nil
	AccessLog string                        // file, "-" for our own stdout, "" = none
	ErrorLog  string                        // file or "-" that workers get for their own error log

	// CaptureOutput makes workers' stdout and stderr go line by line to Log;
	// otherwise they are ours.
	CaptureOutput bool

	// Dev marks development: workers may talk to browsers, a reload takes the place
	// of one under way, old workers get one second, and Fallback serves while the
	// application does not run.
	Dev bool

	// Fallback is the command of a KindGo worker that stands in while Dev is set and
	// the application has never booted, or has crashed within a minute of its start,
	// until a reload succeeds; it gets the failure in APPD_FAILURE. nil: such a first
	// start ends Run, and whoever crashed is started again, as always for KindFastCGI,
	// whose sockets are not for it.
	Fallback []string

	// AccessLine makes the access log's line, with its newline, of a request that
	// died with its worker; nil: no such lines.
	AccessLine func(Victim) []byte

	// Load reads the configuration again for a reload. Its error refuses the
	// reload and is handed to whoever asked. nil: reload with the same Config.
	Load func(context.Context) (Config, error)

	// Self is the command line that starts this program again, for an upgrade and
	// for the hidden verb of exec applications; nil: /proc/self/exe with our
	// arguments.
	Self []string

	// ExecVerb is a hidden verb of Self's program, whose main must call [ExecMain]
	// with the arguments behind it: it starts exec applications with their LISTEN_PID
	// and ends fastcgi and exec workers whose supervisor was killed.
	ExecVerb string

	// OnBound is called once, when the locks and the sockets are ours and no worker runs
	// yet. Its error ends Run. It must not call back into the Supervisor.
	OnBound func() error

	// OnReady is called once, when the first worker is ready and the pidfile is
	// written; for a daemon's waiting parent and the control socket. It must not
	// call back into the Supervisor.
	OnReady func()

	// OnSucceeded is called, from the loop, when a successor has taken over in an upgrade
	// and the workers here are about to be told. It must neither block nor call back into
	// the Supervisor.
	OnSucceeded func()

	// OnPredecessorGone is called, from the loop, when the predecessor has ended whose
	// service this supervisor took over in an upgrade. It must neither block nor call
	// back into the Supervisor.
	OnPredecessorGone func()

	// OnStop is called when a stop begins, after stop_delay, on a goroutine of its
	// own; workers are told to leave when it has returned, at the latest after
	// GracefulTimeout (30s if that is off). A fast stop and an upgrade do not wait for it.
	OnStop func()

	// OnReload hears from the loop how each reload ended. It must neither block nor
	// call back into the Supervisor.
	OnReload func(ReloadResult)

	// OnEvent sees everything that happens to workers, in order, from the loop:
	// it must neither block nor call back into the Supervisor.
	OnEvent func(Event)

	// OnFiles hears which source files workers loaded (development).
	OnFiles func([]string)
}

// Kind says how an application takes its requests.
type Kind string

// The kinds. Workers of the first two keep the whole contract of package
// handoff; the others are watched from outside.
const (
	KindGo      Kind = "go"      // a binary that calls server.Run
	KindPython  Kind = "python"  // the app's own interpreter with the engine in it
	KindFastCGI Kind = "fastcgi" // listening socket on descriptor 0
	KindExec    Kind = "exec"    // LISTEN_FDS
)

// App is what the workers run.
type App struct {
	Name string
	Kind Kind

	// Command is the program and its arguments, unless Prepare gives them.
	Command []string

	// Prepare makes a new generation's program: it builds, or finds the
	// interpreter. Called once for every generation, off the loop; the context ends
	// when the reload is abandoned. Its error, a [*PrepareError] when there is
	// output to show, fails the start or refuses the reload. nil: Command as it is.
	Prepare func(context.Context, Generation) (Program, error)

	Env     []string // KEY=VALUE, over our own environment
	Chdir   string   // symbolic links are followed anew for each generation; "" = ours
	Python  *handoff.Python
	Preload bool // Python: fork workers from one process that imported the app

	User       string // name or number; "" = ours
	Group      string // name or number; "" = User's, or ours
	Initgroups bool   // User's supplementary groups
	Umask      int    // -1 = unchanged

	ReadyAfter time.Duration  // fastcgi, exec: alive this long means ready; 1s
	StopSignal syscall.Signal // fastcgi, exec: makes them drain; TERM
}

// Generation identifies one load of the code.
type Generation struct {
	Number int    // 1, 2, ...
	Dir    string // App.Chdir with symbolic links resolved
}

// Program is what Prepare made.
type Program struct {
	Command []string
	Env     []string        // added to App.Env
	Dir     string          // "" = the generation's
	Python  *handoff.Python // "" = App.Python
	Retire  func()          // called when no worker of the generation is left; may be nil
}

// Listener is one address to bind and what is spoken on it.
type Listener struct {
	// Worker is handed to the workers; its Address is what gets bound (unix:PATH,
	// HOST:PORT, fd://N); FD is filled in.
	Worker handoff.Listener

	Mode    os.FileMode // of a Unix socket; 0 = 0660
	Owner   string      // name or number; "" = unchanged
	Group   string      // name or number; "" = www-data or nginx where that can be set
	Backlog int         // 0 = 2048

	// FrontUser is who connects, a name or a number: the start warns if that user may
	// not. "" = www-data or nginx, whichever there is.
	FrontUser string

	names *names // what those stand for, once somebody was asked
}

// Recycle says when a healthy worker is replaced. Zero means never.
type Recycle struct {
	Requests       int // served
	RequestsJitter int // added at random per worker, 0..this
	Age            time.Duration
	AgeJitter      time.Duration
	Memory         int64 // bytes of PSS: after the request in hand
	MemoryHard     int64 // bytes of PSS: at once
}

// Hook is a command that runs at a point in the supervisor's life.
type Hook struct {
	On      HookPoint
	Command []string
}

// HookPoint names when a hook runs.
type HookPoint string

// The points at which hooks run. A hook that fails or hangs is logged and changes
// nothing, except OnStarting and PreExec, whose failure aborts.
const (
	OnStarting      HookPoint = "on_starting"      // before sockets are bound
	WhenReady       HookPoint = "when_ready"       // first worker ready
	OnReload        HookPoint = "on_reload"        // a reload begins, configuration accepted
	NWorkersChanged HookPoint = "nworkers_changed" // the wanted number changed
	PreFork         HookPoint = "pre_fork"         // before each spawn
	ChildExit       HookPoint = "child_exit"       // a worker was reaped
	PreExec         HookPoint = "pre_exec"         // before an upgrade
	OnExit          HookPoint = "on_exit"          // last thing
)
