// appd check: is the configuration right, does the application load, does it
// answer?

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/supervisor"
)

var checkVerb = verb{
	name: "check", args: "[APP]", app: true,
	summary: "check the configuration and load the application once, without serving",
	more: `All errors are shown at once, with exit status 2. The application is started with one worker on sockets of its
own, so that nothing that runs is touched; if it cannot be loaded the exit status is 3.`,
	flags: func(f *pflag.FlagSet) {
		f.Bool("print", false, "Print every effective setting and where it came from.")
		f.Bool("probe", false, "Send one request to each listener and print the answers.")
	},
	run: func(in *invocation) int {
		c, _, err := in.load()
		if err != nil {
			return usage(err)
		}
		o := checkOptions{boot: true, print: c.PrintConfig}
		if p, _ := in.flags.GetBool("print"); p {
			o.print = true
		}
		o.probe, _ = in.flags.GetBool("probe")
		return check(c, o)
	},
}

type checkOptions struct{ boot, print, probe bool }

// check shows the configuration and, unless that was all, boots the application on
// temporary sockets and says what came of it.
func check(c *config.Config, o checkOptions) int {
	var chosen *handoff.Settings
	var bootErr error
	if o.boot {
		t, err := newTrial(c)
		if err != nil {
			return fail(err)
		}
		defer t.remove()
		bootErr = t.run(context.Background(), o.probe)
		chosen = t.chosen
	}
	if o.print {
		if err := c.Print(os.Stdout, chosen); err != nil {
			return fail(err)
		}
	}
	if bootErr != nil {
		fmt.Fprintln(os.Stderr, "appd:", explain(bootErr))
		return supervisor.ExitStatus(bootErr)
	}
	if o.boot && !o.print && !o.probe {
		fmt.Printf("%s is right, and %s loads\n", cmp.Or(c.File, "the command line"), c.App.Name)
	}
	return exitDone
}

// trial is an application that runs for a moment on sockets that nobody knows.
type trial struct {
	c      *config.Config
	cfg    supervisor.Config
	dir    string
	super  *supervisor.Supervisor
	chosen *handoff.Settings
}

func newTrial(c *config.Config) (*trial, error) {
	dir, err := os.MkdirTemp("", "appd-check-")
	if err != nil {
		return nil, err
	}
	t := &trial{c: c, dir: dir}
	if os.Geteuid() == 0 {
		os.Chmod(dir, 0o711) // workers of another user reach their program in it
	}
	if t.cfg, err = settings(c, dir); err != nil {
		t.remove()
		return nil, err
	}
	t.cfg.Workers, t.cfg.WorkersMin, t.cfg.WorkersMax = 1, 0, 0
	t.cfg.Hooks, t.cfg.PIDFile, t.cfg.AccessLog, t.cfg.ErrorLog = nil, "", "", "-"
	t.cfg.Dev, t.cfg.StopDelay, t.cfg.CaptureOutput = false, 0, true
	t.cfg.Self = self()
	for i := range t.cfg.Listeners {
		l := &t.cfg.Listeners[i]
		l.Worker.Address = fmt.Sprintf("unix:%s/%d.sock", dir, i)
		l.Worker.AllowPeers, l.Worker.ProxyProtocol = nil, false
		l.Mode, l.Owner, l.Group = 0o600, "", ""
	}
	return t, nil
}

func (t *trial) remove() { os.RemoveAll(t.dir) }

// run starts the application, looks at it when it is ready, and stops it again.
func (t *trial) run(ctx context.Context, probe bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan struct{})
	t.cfg.OnReady = func() { close(ready) }
	var err error
	if t.super, err = supervisor.New(t.cfg); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- t.super.Run(ctx) }()
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("stopped before the application was ready")
		}
		return err
	case <-ready:
	}
	t.chosen = t.settings(ctx)
	if probe {
		err = t.probe(ctx, os.Stdout)
	}
	stop()
	return errors.Join(err, <-ended)
}

// settings asks what the worker's code has chosen.
func (t *trial) settings(ctx context.Context) *handoff.Settings {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := t.super.Status(ctx)
	if err != nil {
		return nil
	}
	return s.Settings
}

// probe sends one request to each listener, in each protocol that it speaks.
func (t *trial) probe(ctx context.Context, w io.Writer) error {
	var failed []string
	for i, l := range t.c.Listen {
		protocols := []string{l.Protocol}
		if l.Protocol == "auto" {
			protocols = []string{"fastcgi", "uwsgi", "http"}
		}
		for _, p := range protocols {
			text, err := ask(ctx, p, filepath.Join(t.dir, fmt.Sprintf("%d.sock", i)), t.c.Worker.Mount)
			if err != nil {
				failed = append(failed, fmt.Sprintf("%s over %s: %v", l.Address, p, err))
				fmt.Fprintf(w, "%s over %s: no answer: %v\n", l.Address, p, err)
				continue
			}
			fmt.Fprintf(w, "%s over %s:\n%s\n\n", l.Address, p, text)
		}
	}
	if len(failed) > 0 {
		return errors.New("no answer from " + strings.Join(failed, "; "))
	}
	return nil
}
