// The verbs that talk to a running appd: finding its socket, asking, showing.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/control"
)

// socket is the control socket of the appd that this invocation means. The file
// may be broken: only its run_dir is looked at. Where nobody listens there, the
// signpost leads to the socket.
func (in *invocation) socket() (string, error) {
	source := config.Source{File: in.file, Flags: in.given}
	if source.File == "" && !in.flags.Changed("bind") {
		if _, err := os.Stat(defaultFile); err == nil {
			source.File = defaultFile
		}
	}
	dir, signpost, err := config.Locate(source)
	path := filepath.Join(dir, control.Name)
	if _, missing := os.Stat(path); missing != nil && signpost != "" {
		if _, err := os.Stat(filepath.Join(signpost, control.Name)); err == nil {
			path = filepath.Join(signpost, control.Name)
		}
	}
	return path, err
}

// ask sends a request and shows why it failed, if it did.
func (in *invocation) ask(q control.Request) (control.Answer, int) {
	path, err := in.socket()
	if err != nil {
		return control.Answer{}, usage(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a, err := control.Call(ctx, path, q)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return a, notRunning(path)
	case errors.Is(err, control.ErrGone) && (q.Verb == "stop" || q.Verb == "upgrade"):
		return a, exitDone // it did as it was told
	case err != nil:
		fmt.Fprintln(os.Stderr, "appd:", err)
		return a, exitFailed
	}
	if a.Error != "" {
		fmt.Fprintln(os.Stderr, "appd:", a.Error)
	}
	for _, line := range a.Output {
		fmt.Fprintln(os.Stderr, line)
	}
	return a, a.Status
}

// notRunning says that there is nobody to talk to.
func notRunning(path string) int {
	fmt.Fprintf(os.Stderr, "appd: nothing is running: no appd answers at %s\n"+
		"An appd that runs elsewhere is found by its file (-c FILE), or by its address (-b ADDRESS) when it was started without one.\n", path)
	return exitBoot
}

// noArgs complains about words behind a verb that takes none.
func (in *invocation) noArgs() error {
	if len(in.args) > 0 {
		return fmt.Errorf("%s takes no arguments, and %q is one", in.verb.name, in.args[0])
	}
	return nil
}

// number is the one argument of a verb, a number of at least low.
func (in *invocation) number(what string, low int) (int, error) {
	if len(in.args) != 1 {
		return 0, fmt.Errorf("%s takes one argument: %s", in.verb.name, what)
	}
	n, err := strconv.Atoi(in.args[0])
	if err != nil || n < low {
		return 0, fmt.Errorf("%s must be a number, at least %d, not %q", what, low, in.args[0])
	}
	return n, nil
}

// slot is the optional argument SLOT, 0 without one.
func (in *invocation) slot() (int, error) {
	if len(in.args) == 0 {
		return 0, nil
	}
	return in.number("SLOT", 0)
}

// simple is a verb without arguments that only asks.
func simple(said string) func(*invocation) int {
	return func(in *invocation) int {
		if err := in.noArgs(); err != nil {
			return usage(err)
		}
		_, status := in.ask(control.Request{Verb: in.verb.name})
		if status == exitDone && said != "" {
			fmt.Println(said)
		}
		return status
	}
}
