// appd help: all verbs, or one with its flags.

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/config"
)

var helpVerb = verb{
	name: "help", args: "[VERB]",
	summary: "show this, or more about a verb",
	run: func(in *invocation) int {
		if len(in.args) == 0 {
			fmt.Print(overview())
			return exitDone
		}
		var names []string
		for _, v := range verbs {
			if v.name == in.args[0] {
				fmt.Print(v.help())
				return exitDone
			}
			names = append(names, v.name)
		}
		err := fmt.Errorf("there is no verb %q", in.args[0])
		if near := config.Nearest(in.args[0], names); near != "" {
			err = fmt.Errorf("%w\nDid you mean %s?", err, near)
		}
		return usage(err)
	},
}

const overviewHead = `appd runs web applications behind nginx: workers that speak FastCGI, uwsgi and HTTP.

  appd                             run what ./appd.hcl describes
  appd -c FILE                     run what FILE describes
  appd shop.wsgi:application       run a Python application (gunicorn's flags work)
  appd ./cmd/shop                  build and run a Go package
  appd VERB                        one of these:

`

const overviewTail = `
Flags of run are the settings of appd.hcl: appd help run. All settings: docs/config.md.
Exit status: 0 done, 1 tried and failed, 2 configuration or usage, 3 the app cannot boot or nothing is running.
`

func overview() string {
	var b strings.Builder
	b.WriteString(overviewHead)
	for _, v := range verbs {
		fmt.Fprintf(&b, "  %-25s %s\n", strings.TrimSpace(v.name+" "+v.args), v.summary)
	}
	b.WriteString(overviewTail)
	return b.String()
}

// help is all about one verb.
func (v *verb) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "appd %s\n\n%s%s.\n", strings.TrimSpace(v.name+" "+v.args), strings.ToUpper(v.summary[:1]), v.summary[1:])
	if v.more != "" {
		fmt.Fprintf(&b, "\n%s\n", v.more)
	}
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	if v.flags != nil {
		v.flags(own)
	}
	if v.takesSettings() || v.talks {
		own.StringP("config", "c", "", "The configuration `FILE` (default appd.hcl of the current folder).")
	}
	switch {
	case v == &runVerb:
		config.AddFlags(own)
	case v.talks:
		own.StringP("bind", "b", "", "The first `ADDRESS` of an appd that was started without a file.")
		own.String("run-dir", "", "The run folder `PATH`, of an appd that was started with this flag.")
	}
	if own.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", own.FlagUsagesWrapped(110))
	}
	if v.takesSettings() && v != &runVerb {
		b.WriteString("\nThe flags of run, which are the settings, are taken too: appd help run\n")
	}
	return b.String()
}
