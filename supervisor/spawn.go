// Starting a worker process: descriptors, environment, identity.

package supervisor

import (
	"context"
	"fmt"
	"os"
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
		if why := Denied(cred, o.gen.folder(), path); why != nil {
			return why
		}
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
	h.Procs, _ = shares(g.environment(), o.workers, 0)
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

// self is the command line that starts this program again.
func self(c *Config) []string {
	if len(c.Self) > 0 {
		return c.Self
	}
	return append([]string{"/proc/self/exe"}, os.Args[1:]...)
}
