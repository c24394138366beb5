// From a configuration to what the supervisor wants.

package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/nginx"
	"github.com/appd-server/appd/supervisor"
)

// settings fills everything of a supervisor.Config that the configuration says.
// What belongs to the running process (log, control socket) is set by the caller.
func settings(c *config.Config, runDir string) (supervisor.Config, error) {
	app, err := application(c, runDir)
	if err != nil {
		return supervisor.Config{}, err
	}
	s := supervisor.Config{
		App:             app,
		Workers:         c.Workers,
		WorkersMin:      c.WorkersMin,
		WorkersMax:      c.WorkersMax,
		BootTimeout:     limit(c.BootTimeout),
		GracefulTimeout: limit(time.Duration(c.Worker.GracefulTimeout)),
		Timeout:         time.Duration(c.Worker.Timeout),
		HookTimeout:     limit(c.HookTimeout),
		StopDelay:       c.StopDelay,
		Recycle: supervisor.Recycle{
			Requests:       c.MaxRequests,
			RequestsJitter: c.MaxRequestsJitter,
			Age:            c.MaxAge,
			AgeJitter:      c.MaxAgeJitter,
			Memory:         c.MaxMemory,
			MemoryHard:     c.MaxMemoryHard,
		},
		Settings:      c.Handed(),
		PIDFile:       c.PIDFile,
		RunDir:        runDir,
		AccessLog:     c.AccessLog,
		ErrorLog:      c.ErrorLog,
		CaptureOutput: c.CaptureOutput,
		Dev:           c.Reload,
		ExecVerb:      execVerb,
	}
	frontUser, group := frontAccount(c)
	for _, l := range c.Listen {
		s.Listeners = append(s.Listeners, listener(l, frontUser, group))
	}
	for _, h := range c.Hooks {
		if !h.Inside() {
			s.Hooks = append(s.Hooks, supervisor.Hook{On: supervisor.HookPoint(h.Name), Command: h.Command})
		}
	}
	return s, nil
}

// limit turns our "0 = none" into the supervisor's "negative = none".
func limit(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// frontAccount is who connects to the sockets, and the group that they get by default:
// those of the nginx that appd runs. Both are "" where there is none.
func frontAccount(c *config.Config) (name, group string) {
	switch {
	case len(managed(c)) == 0:
		return "", ""
	case os.Geteuid() != 0: // nginx stays who we are
		return strconv.Itoa(os.Geteuid()), ""
	}
	return nginx.Account()
}

func listener(l *config.Listen, frontUser, group string) supervisor.Listener {
	return supervisor.Listener{
		Worker: handoff.Listener{
			Address:       l.Address,
			Protocol:      l.Protocol,
			Front:         l.Front,
			PathFrom:      l.PathFrom,
			ProxyProtocol: l.Proxy,
			ForwardedIPs:  l.ForwardedIPs,
			ForwardedHops: l.Hops,
			AllowPeers:    l.AllowPeers,
			Stderr:        l.Stderr,
			ChunkedInput:  l.ChunkedInput,
		},
		Mode:    l.Mode.FileMode(),
		Owner:   l.Owner,
		Group:   cmp.Or(l.Group, group),
		Backlog: l.Backlog,

		FrontUser: frontUser,
	}
}

// signals are the values of stop_signal.
var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "QUIT": syscall.SIGQUIT, "INT": syscall.SIGINT,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "HUP": syscall.SIGHUP,
}

// application says what the workers run and how each generation's program is made.
func application(c *config.Config, runDir string) (supervisor.App, error) {
	a := supervisor.App{
		Name:       c.ProcName,
		Env:        environ(c.App.Env),
		Chdir:      c.App.Chdir,
		User:       c.User,
		Group:      c.Group,
		Initgroups: c.InitGroups,
		Umask:      int(c.Umask),
		ReadyAfter: c.App.ReadyAfter,
		StopSignal: signals[c.App.StopSignal],
	}
	switch c.App.Kind {
	case config.Go:
		a.Kind = supervisor.KindGo
	case config.Command:
		a.Kind, a.Command = supervisor.KindGo, c.App.Command
	case config.FastCGI:
		a.Kind, a.Command = supervisor.KindFastCGI, c.App.FastCGI
	case config.Exec:
		a.Kind, a.Command = supervisor.KindExec, c.App.Exec
	case config.WSGI:
		a.Kind, a.Preload = supervisor.KindPython, c.App.PreloadApp
	default:
		return a, fmt.Errorf("applications of kind %q cannot be run", c.App.Kind)
	}
	as, err := a.Credential()
	if err != nil {
		return a, err
	}
	a.Prepare = newPreparer(c, as, runDir).prepare
	return a, nil
}

func environ(m map[string]string) (env []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		env = append(env, name+"="+m[name])
	}
	return env
}

// self is the command line that starts us again: the path by which we were started,
// because a new version is installed there, be it a symbolic link to a release.
func self() []string {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		path, _ = os.Executable()
	}
	return append([]string{cmp.Or(path, "/proc/self/exe")}, os.Args[1:]...)
}

// buildFolder is where a run folder keeps built programs.
func buildFolder(runDir string) string { return filepath.Join(runDir, "build") }
