// appd scale: another number of workers, until the next reload.

package main

import (
	"fmt"

	"github.com/appd-server/appd/internal/control"
)

var scaleVerb = verb{
	name: "scale", args: "N",
	talks:   true,
	summary: "run N workers until the next reload (TTIN and TTOU: one more, one less)",
	run: func(in *invocation) int {
		n, err := in.number("N", 1)
		if err != nil {
			return usage(err)
		}
		_, status := in.ask(control.Request{Verb: "scale", Count: n})
		if status == exitDone {
			fmt.Printf("%d workers wanted\n", n)
		}
		return status
	},
}
