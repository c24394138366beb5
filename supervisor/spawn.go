// Starting a worker process: descriptors, environment, identity.

package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// launcher starts real processes.
type launcher struct {
	spawner *spawner
	log     *journal
	oom     *oomCounter
	keeper  keeper
}

// launch starts the worker that o asks for.
func (l *launcher) launch(ctx context.Context, o order) (process, error) {
	if o.gen.preload != nil {
		return l.fork(ctx, o)
	}
	p := &child{kind: o.gen.cfg.App.Kind, log: l.log, oom: l.oom, readyAfter: o.gen.cfg.App.ReadyAfter}
	if err := l.start(p, o); err != nil {
		p.abort()
		return nil, err
	}
	return p, nil
}

// start opens what p needs, forks and closes the child's ends.
func (l *launcher) start(p *child, o order) error {
	g := o.gen
	fds := &inheritance{}
	defer fds.close()
	if err := p.streams(fds, g.cfg.CaptureOutput); err != nil {
		return err
	}
	env := l.environment(o)
	argv := g.program.Command
	switch g.cfg.App.Kind {
	case KindFastCGI:
		fds.files[0] = g.listeners[0].fd
	case KindExec:
		more, err := p.listenFDs(fds, g)
		if err != nil {
			return err
		}
		env = append(env, more...)
		argv = append(append(self(g.cfg)[:1:1], g.cfg.ExecVerb), argv...)
	default:
		text, err := l.contract(p, fds, o)
		if err != nil {
			return err
		}
		env = append(env, handoff.Env+"="+text)
	}
	return l.exec(p, o, fds, argv, env)
}

// exec forks and takes hold of the process.
func (l *launcher) exec(p *child, o order, fds *inheritance, argv, env []string) error {
	app := &o.gen.cfg.App
	cred, err := app.Credential()
	if err != nil {
		return err
	}
	path, err := lookPath(argv[0], o.gen.folder(), env)
	if err != nil {
		return err
	}
	pidfd := -1
	attr := &syscall.ProcAttr{
		Dir: o.gen.folder(), Env: env, Files: fds.uintptrs(),
		Sys: &syscall.SysProcAttr{Setpgid: true, Credential: cred, PidFD: &pidfd},
	}
	if !app.Kind.contract() {
		// Nothing else tells it that we died.
		attr.Sys.Pdeathsig = app.StopSignal
	}
	pid, err := l.spawner.fork(path, argv, attr, app.Umask)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := p.hold(pid, pidfd, o.keys(pid)); err != nil {
		return err
	}
	if !app.Kind.contract() {
		p.keeper = &l.keeper
		l.keeper.guard(l, o.gen, pid)
	}
	return nil
}

// keys go with what the process says.
func (o order) keys(pid int) []any {
	if o.slot == noSlot {
		return []any{"worker", "preload", "gen", o.gen.number, "pid", pid}
	}
	return []any{"worker", o.slot, "gen", o.gen.number, "pid", pid}
}

// inheritance is the list of descriptors of a child, by their number there. owned
// are closed here once the child has them.
type inheritance struct {
	files []int
	owned []int
}

// own adds a descriptor that is the child's alone and returns its number there.
func (h *inheritance) own(fd int) int {
	h.owned = append(h.owned, fd)
	return h.lend(fd)
}

// lend adds a descriptor that stays open here.
func (h *inheritance) lend(fd int) int {
	h.files = append(h.files, fd)
	return len(h.files) - 1
}

func (h *inheritance) uintptrs() []uintptr {
	list := make([]uintptr, len(h.files))
	for i, fd := range h.files {
		list[i] = uintptr(fd)
	}
	return list
}

func (h *inheritance) close() {
	handoff.CloseFDs(h.owned)
	h.owned = nil
}

// contract opens control socket and scoreboard and describes everything.
func (l *launcher) contract(p *child, fds *inheritance, o order) (string, error) {
	g := o.gen
	control, end, err := handoff.Socketpair()
	if err != nil {
		return "", err
	}
	p.control = control
	far, err := unix.FcntlInt(end.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	end.Close()
	if err != nil {
		return "", err
	}
	h := &handoff.Handoff{
		Version: handoff.Version, Name: g.cfg.App.Name, Slot: o.slot, Generation: g.number, Workers: o.workers,
		Settings: g.cfg.Settings, Python: g.python(), Dev: g.cfg.Dev, Born: g.born.UnixMilli(),
	}
	h.Control = fds.own(far)
	if p.board, err = handoff.CreateBoard(); err != nil {
		return "", err
	}
	h.Scoreboard = fds.lend(p.board.FD())
	access, failures := g.logs.descriptors()
	if access >= 0 {
		h.AccessLog = fds.own(access)
	}
	if failures >= 0 {
		h.ErrorLog = fds.own(failures)
	}
	for i, ln := range g.listeners {
		w := g.cfg.Listeners[i].Worker
		w.FD = fds.lend(ln.fd)
		h.Listeners = append(h.Listeners, w)
	}
	if !given(g.environment(), "GOMAXPROCS") {
		h.Procs = share(o.workers)
	}
	return h.Marshal()
}

// listenFDs adds the listeners as systemd would, and a socket for readiness.
func (p *child) listenFDs(fds *inheritance, g *generation) ([]string, error) {
	names := make([]string, len(g.listeners))
	for i, ln := range g.listeners {
		fds.lend(ln.fd)
		names[i] = "listener"
	}
	var err error
	if p.notify, err = newNotifySocket(); err != nil {
		return nil, err
	}
	return []string{
		"LISTEN_FDS=" + strconv.Itoa(len(g.listeners)),
		"LISTEN_FDNAMES=" + strings.Join(names, ":"),
		"NOTIFY_SOCKET=" + p.notify.address,
	}, nil
}

// environment is ours without what concerns us alone, then the app's, then what
// the supervisor has to say.
func (l *launcher) environment(o order) []string {
	g := o.gen
	env := g.environment()
	if g.cfg.App.Kind == KindFastCGI {
		env = unsetenv(env, "PHP_FCGI_CHILDREN") // its own children would hide their deaths
	}
	if g.cfg.App.Kind == KindGo {
		env = shareOut(env, o.workers)
	}
	if g.cfg.App.Kind == KindPython {
		env = setenv(env, "PYTHONUNBUFFERED", "1")
	}
	return append(env,
		"APPD_WORKER_ID="+strconv.Itoa(o.slot),
		"APPD_GENERATION="+strconv.Itoa(g.number),
		"APPD_WORKERS="+strconv.Itoa(o.workers))
}

// private variables concern this process and no worker. APPD_DETACHED is how the
// command knows that it is a daemon already; one that a worker starts is none.
var private = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "APPD_DETACHED", upgradeEnv, handoff.Env}

// environment is what everybody of a generation gets.
func (g *generation) environment() []string {
	env := unsetenv(os.Environ(), private...)
	for _, kv := range append(append([]string(nil), g.cfg.App.Env...), g.program.Env...) {
		k, v, _ := strings.Cut(kv, "=")
		env = setenv(env, k, v)
	}
	return setenv(env, "PWD", g.folder())
}

func (g *generation) folder() string {
	if g.program.Dir != "" {
		return g.program.Dir
	}
	return g.dir
}

func (g *generation) python() *handoff.Python {
	if g.program.Python != nil {
		return g.program.Python
	}
	return g.cfg.App.Python
}

func setenv(env []string, key, value string) []string {
	return append(unsetenv(env, key), key+"="+value)
}

func unsetenv(env []string, keys ...string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, kv := range env {
		k, _, _ := strings.Cut(kv, "=")
		keep := true
		for _, key := range keys {
			keep = keep && k != key
		}
		if keep {
			kept = append(kept, kv)
		}
	}
	return kept
}

func given(env []string, key string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, key+"=") {
			return true
		}
	}
	return false
}

// lookPath finds a program the way the child would: in its PATH, relative to its
// folder.
func lookPath(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		full := name
		if !filepath.IsAbs(name) {
			full = filepath.Join(dir, name)
		}
		_, err := exec.LookPath(full)
		return full, err
	}
	for _, kv := range env {
		if list, ok := strings.CutPrefix(kv, "PATH="); ok {
			for _, folder := range filepath.SplitList(list) {
				full := filepath.Join(folder, name)
				if !filepath.IsAbs(folder) {
					full = filepath.Join(dir, full)
				}
				if _, err := exec.LookPath(full); err == nil {
					return full, nil
				}
			}
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// self is the command line that starts this program again.
func self(c *Config) []string {
	if len(c.Self) > 0 {
		return c.Self
	}
	return append([]string{"/proc/self/exe"}, os.Args[1:]...)
}

// share is how many CPUs a Go worker may use beside the others.
func share(workers int) int {
	cpus := runtime.GOMAXPROCS(0)
	return max((cpus+workers-1)/workers, min(cpus, 2))
}

// shareOut sets GOMAXPROCS and GOMEMLIMIT unless somebody wrote them.
func shareOut(env []string, workers int) []string {
	if !given(env, "GOMAXPROCS") {
		env = append(env, "GOMAXPROCS=1")
	}
	if limit := memoryMax(); limit > 0 && !given(env, "GOMEMLIMIT") {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(limit/10*9/int64(workers), 10))
	}
	return env
}
