// appd stacks: what a worker is doing right now.

package main

import (
	"os"

	"github.com/appd-server/appd/internal/control"
)

var stacksVerb = verb{
	name: "stacks", args: "[SLOT]",
	talks:   true,
	summary: "show the goroutines or Python frames of a worker (slot 0 without SLOT)",
	run: func(in *invocation) int {
		slot, err := in.slot()
		if err != nil {
			return usage(err)
		}
		a, status := in.ask(control.Request{Verb: "stacks", Slot: slot})
		if _, err := os.Stdout.Write(a.Bytes); err != nil {
			return fail(err)
		}
		return status
	},
}
