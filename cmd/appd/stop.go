// appd stop: serve what waits, finish what is in flight, leave.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/control"
)

var stopVerb = verb{
	name:    "stop",
	talks:   true,
	summary: "stop gracefully and wait until it is done (TERM)",
	flags:   func(f *pflag.FlagSet) { f.Bool("fast", false, "Give requests in flight one second (INT).") },
	run: func(in *invocation) int {
		if err := in.noArgs(); err != nil {
			return usage(err)
		}
		path, err := in.socket()
		if err != nil {
			return usage(err)
		}
		process, err := control.Find(path)
		if err != nil && !errors.Is(err, control.ErrNotRunning) {
			return fail(err)
		}
		fast, _ := in.flags.GetBool("fast")
		if _, status := in.ask(control.Request{Verb: "stop", Fast: fast}); status != exitDone {
			return status
		}
		ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer release()
		if err := process.Wait(ctx); err != nil {
			return fail(errors.New("it is still finishing its requests; `appd stop --fast` gives them one second more"))
		}
		fmt.Println("stopped")
		return exitDone
	},
}
