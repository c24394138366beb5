// appd status: what every worker and every listener is doing.

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/control"
	"github.com/appd-server/appd/internal/status"
	"github.com/appd-server/appd/supervisor"
)

var statusVerb = verb{
	name:    "status",
	talks:   true,
	summary: "show workers, listeners, requests in flight and the last reload",
	flags:   func(f *pflag.FlagSet) { f.Bool("json", false, "Everything, for programs.") },
	run: func(in *invocation) int {
		if err := in.noArgs(); err != nil {
			return usage(err)
		}
		s, code := in.snapshot()
		if s == nil {
			return code
		}
		write := func() error { return status.Text(os.Stdout, s, time.Now()) }
		if asJSON, _ := in.flags.GetBool("json"); asJSON {
			write = func() error { return status.JSON(os.Stdout, s) }
		}
		if err := write(); err != nil {
			return fail(err)
		}
		return exitDone
	},
}

// snapshot asks for the state; nil and an exit status when there is none.
func (in *invocation) snapshot() (*supervisor.Snapshot, int) {
	a, code := in.ask(control.Request{Verb: "status"})
	if code != exitDone {
		return nil, code
	}
	var s supervisor.Snapshot
	if err := json.Unmarshal(a.Data, &s); err != nil {
		fmt.Fprintln(os.Stderr, "appd: the answer makes no sense:", err)
		return nil, exitFailed
	}
	return &s, exitDone
}
