// appd top: a live screen of what appd status shows.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/appd-server/appd/internal/control"
	"github.com/appd-server/appd/internal/status"
	"github.com/appd-server/appd/supervisor"
)

var topVerb = verb{
	name:    "top",
	talks:   true,
	summary: "watch workers and requests live; plain text when it is no terminal",
	run: func(in *invocation) int {
		if err := in.noArgs(); err != nil {
			return usage(err)
		}
		path, err := in.socket()
		if err != nil {
			return usage(err)
		}
		if _, code := in.snapshot(); code != exitDone {
			return code
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = status.Top(ctx, os.Stdin, os.Stdout, func(ctx context.Context) (supervisor.Snapshot, error) {
			return askStatus(ctx, path)
		})
		switch {
		case errors.Is(err, control.ErrNotRunning) || errors.Is(err, control.ErrGone):
			return notRunning(path)
		case err != nil && ctx.Err() == nil:
			return fail(err)
		}
		return exitDone
	},
}

// askStatus asks the appd at path for its state.
func askStatus(ctx context.Context, path string) (s supervisor.Snapshot, err error) {
	a, err := control.Call(ctx, path, control.Request{Verb: "status"})
	if err != nil {
		return s, err
	}
	if a.Error != "" {
		return s, errors.New(a.Error)
	}
	return s, json.Unmarshal(a.Data, &s)
}
