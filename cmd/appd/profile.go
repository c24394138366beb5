// appd profile: a CPU profile of a worker.

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/control"
)

var profileVerb = verb{
	name: "profile", args: "[SLOT]",
	talks:   true,
	summary: "take a CPU profile of a worker: a pprof file for Go, sampled stacks for Python",
	more:    "The profile goes to a file, or to stdout when that is not a terminal. Look at Go's with `go tool pprof FILE`.",
	flags: func(f *pflag.FlagSet) {
		f.Int("seconds", 10, "Look for `N` seconds, 1 to 300.")
		f.StringP("output", "o", "", "The `FILE` to write (default appd-SLOT.pprof).")
	},
	run: func(in *invocation) int {
		slot, err := in.slot()
		if err != nil {
			return usage(err)
		}
		seconds, _ := in.flags.GetInt("seconds")
		if seconds < 1 || seconds > 300 {
			return usage(errors.New("--seconds must be between 1 and 300"))
		}
		a, status := in.ask(control.Request{Verb: "profile", Slot: slot, Seconds: seconds})
		if status != exitDone {
			return status
		}
		path, _ := in.flags.GetString("output")
		return writeProfile(path, slot, a.Bytes)
	},
}

func writeProfile(path string, slot int, text []byte) int {
	if path == "" && !isTerminal(os.Stdout) {
		if _, err := os.Stdout.Write(text); err != nil {
			return fail(err)
		}
		return exitDone
	}
	if path == "" {
		path = fmt.Sprintf("appd-%d.pprof", slot)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fail(err)
	}
	fmt.Println("wrote", path)
	return exitDone
}
