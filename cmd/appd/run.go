// appd run: the supervisor in the foreground, with everything around it.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/supervisor"
)

var runVerb = verb{
	name: "run", args: "[APP] [-- ARGUMENTS]", app: true,
	summary: "run an application, or what appd.hcl describes (the default verb)",
	more: `APP is module[:callable] for Python, ./path of a Go package or of a program. Without APP, appd.hcl of
the current folder is read. Flags may stand before and after APP.`,
	run: func(in *invocation) int { return run(in, false) },
}

// run is the verbs run and dev.
func run(in *invocation, dev bool) int {
	supervisor.KeepWriting(dev)
	source, err := in.source()
	if err != nil {
		return usage(err)
	}
	source.Dev = dev
	c, err := config.Load(source)
	if err != nil {
		return usage(err)
	}
	if c.CheckConfig || c.PrintConfig {
		showWarnings(c)
		return check(c, checkOptions{print: c.PrintConfig, boot: c.CheckConfig})
	}
	if c.Daemon && !detached() {
		return detach(c)
	}
	closeOnExec()
	s, err := newService(c, source)
	if err != nil {
		s.report(err)
		return exitFailed
	}
	err = s.run(context.Background())
	if err != nil {
		s.report(err)
	}
	return supervisor.ExitStatus(err)
}

// service is a running appd: the supervisor and what stands beside it.
type service struct {
	source config.Source
	runDir string
	out    *logFile
	log    *appLog
	waits  *waitingParent // nil unless detached
	dev    *developer

	super   *supervisor.Supervisor
	front   *front          // the managed nginx, which may never be started
	ctx     context.Context // of what runs beside the supervisor
	end     context.CancelFunc
	sides   sync.WaitGroup // goroutines of the control socket, nginx, the watcher, the admin endpoint
	open    sync.Once      // opens the control socket
	retired atomic.Bool    // a successor serves
	admin   endpoints

	mu      sync.Mutex
	c       *config.Config // guarded by mu: in force
	pending *pending       // guarded by mu: read for a reload that is under way
	failure error          // guarded by mu: why we stopped, when nobody asked us to
}

// pending is a configuration that is not in force yet.
type pending struct {
	c       *config.Config
	watched *watched
}

// newService opens the log and makes the supervisor; nothing runs yet.
func newService(c *config.Config, source config.Source) (*service, error) {
	s := &service{source: source, c: c, waits: inheritedParent()}
	out, err := openLog(c)
	if err != nil {
		return s, err
	}
	s.out = out
	if s.waits != nil {
		out.tee(s.waits)
	}
	s.log = newLog(c, out)
	for _, w := range c.Warnings {
		s.log.Warn(w.Text, "at", w.Origin.String(), "hint", w.Way)
	}
	if s.runDir, err = c.MakeRunFolder(); err != nil {
		return s, err
	}
	s.front = newFront(c, s.runDir, s.log.Named("nginx"))
	if err := testSites(context.Background(), managed(c)); err != nil {
		return s, err
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.dev = newDeveloper(s)
	s.dev.watched.Store(s.dev.watch(c))
	cfg, err := s.supervisorConfig(c, s.dev.watched.Load())
	if err != nil {
		return s, err
	}
	if s.super, err = supervisor.New(cfg); err != nil {
		return s, err
	}
	s.admin = endpoints{source: s.super.Status, log: s.log, sides: &s.sides, serving: map[string]*endpoint{}, wait: s.super.Successor()}
	return s, nil
}

// supervisorConfig is the configuration with the running process tied in; w is nil
// without reload = true.
func (s *service) supervisorConfig(c *config.Config, w *watched) (supervisor.Config, error) {
	cfg, err := settings(c, s.runDir)
	if err != nil {
		return cfg, err
	}
	cfg.Log, cfg.Output = s.log.Named(c.ProcName), s.log.output.Named(c.ProcName)
	cfg.ReopenLog, cfg.LogLost = s.reopen, s.out.Lost
	cfg.Self = self()
	cfg.Load = s.load
	cfg.OnBound = s.beside
	cfg.OnReady = s.ready
	cfg.OnSucceeded = s.succeeded
	cfg.OnPredecessorGone = s.alone
	cfg.OnEvent = s.dev.event
	cfg.OnStop = s.stopping
	cfg.OnReload = s.reloaded
	if w != nil {
		as, err := cfg.App.Credential()
		if err != nil {
			return cfg, err
		}
		p := newPreparer(c, as, s.runDir)
		p.around = s.dev.around(w)
		cfg.App.Prepare = s.dev.timed(p.prepare, c.App.Kind == config.Go)
		cfg.OnFiles = w.loaded
		cfg.Fallback = []string{cfg.Self[0], standInVerb}
	}
	cfg.AccessLine, err = victimLine(c)
	return cfg, err
}

// run runs the supervisor until it is told to stop.
func (s *service) run(ctx context.Context) error {
	s.log.Info(workersLine(s.c), "pid", os.Getpid(), "run_dir", s.runDir)
	defer s.sides.Wait()
	defer s.end()
	err := s.super.Run(ctx)
	s.front.end(nil) // after a graceful stop it has ended long since, after an upgrade it is no longer ours
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure
	}
	return err
}

// inForce is the configuration that the workers were started with.
func (s *service) inForce() *config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c
}

// workersLine says how many workers there are, and why when nobody asked for them.
func workersLine(c *config.Config) string {
	noun := "workers"
	if c.Workers == 1 {
		noun = "worker"
	}
	switch from := c.Where(&c.Workers); {
	case from.Layer != config.FromDefault:
		return fmt.Sprintf("%d %s (%s)", c.Workers, noun, from)
	case c.App.PreloadApp:
		return fmt.Sprintf("%d %s (one per CPU by default; they share what was imported)", c.Workers, noun)
	}
	return fmt.Sprintf("%d %s (one per CPU by default; they share no memory)", c.Workers, noun)
}

// load reads the configuration again for a reload, and refuses what a reload cannot
// change.
func (s *service) load(ctx context.Context) (supervisor.Config, error) {
	c, err := config.Load(s.source)
	if err != nil {
		return supervisor.Config{}, err
	}
	if fixed := s.inForce().NeedUpgrade(c); len(fixed) > 0 {
		return supervisor.Config{}, fmt.Errorf("a reload cannot change %s; use `appd upgrade`, or restart", strings.Join(fixed, ", "))
	}
	for _, w := range c.Warnings {
		s.log.Warn(w.Text, "at", w.Origin.String(), "hint", w.Way)
	}
	if err := testSites(ctx, managed(c)); err != nil {
		return supervisor.Config{}, err
	}
	w := s.dev.watch(c)
	cfg, err := s.supervisorConfig(c, w)
	if err == nil {
		err = s.admin.open(c.Admin)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = ctx.Err() // of a reload that has been given up meanwhile
	}
	if err != nil {
		s.dev.drop(w)
		return cfg, err
	}
	s.pending = &pending{c, w}
	return cfg, nil
}

// reopen opens the error log again.
func (s *service) reopen() error {
	if err := s.front.reopen(); err != nil {
		s.log.Warn("nginx keeps its old log", "error", err)
	}
	return s.out.Reopen()
}

// report shows why the start failed, with the application's own last output. A
// detached supervisor tells its waiting parent, too.
func (s *service) report(err error) {
	text := explain(err)
	if boot, ok := errors.AsType[*supervisor.BootError](err); ok && boot.Printed && !s.out.toFile() {
		text = err.Error() // the rest stands above
	}
	text = "appd: " + text + "\n"
	if s.waits != nil {
		s.waits.Write([]byte(text))
	}
	if s.log != nil && s.out.toFile() {
		s.log.Error(err.Error())
	}
	fmt.Fprint(os.Stderr, text)
}
