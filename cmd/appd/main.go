// The table of verbs and the exit statuses.

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/supervisor"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = supervisor.ExitFailed
	exitUsage  = 2
	exitBoot   = supervisor.ExitBoot // the app cannot boot, or nothing is running
)

// verb is one command.
type verb struct {
	name    string
	args    string // what follows, for the help
	summary string
	more    string // further help, may be empty
	app     bool   // takes an application as its argument
	talks   bool   // to a running appd
	flags   func(*pflag.FlagSet)
	run     func(*invocation) int
}

var verbs []*verb

// init, because the verb help looks at the table itself.
func init() {
	verbs = []*verb{
		&runVerb, &devVerb, &checkVerb, &initVerb, &importVerb, &nginxVerb,
		&statusVerb, &topVerb, &stacksVerb, &profileVerb, &reloadVerb, &reopenVerb,
		&stopVerb, &scaleVerb, &upgradeVerb, &versionVerb, &helpVerb,
	}
}

// execVerb is the hidden verb that starts exec applications.
const execVerb = "__exec"

func main() { os.Exit(appd(os.Args[1:])) }

// appd is the whole program; it returns the exit status.
func appd(args []string) int {
	if len(args) > 1 && args[0] == execVerb {
		if err := supervisor.ExecMain(args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "appd:", err)
			return 127
		}
		return 0
	}
	if len(args) == 1 && args[0] == standInVerb {
		if err := standIn(); err != nil {
			return fail(err)
		}
		return exitDone
	}
	in, err := parse(args)
	if err != nil {
		return usage(err)
	}
	return in.verb.run(in)
}

// usage shows what is wrong with the command line or the configuration.
func usage(err error) int {
	if faults, ok := err.(config.Faults); ok {
		fmt.Fprintln(os.Stderr, faults.Error())
		return exitUsage
	}
	text := err.Error()
	if !strings.Contains(text, "\n") {
		text += "\nTry `appd help`."
	}
	fmt.Fprintln(os.Stderr, "appd:", text)
	return exitUsage
}

// fail shows an error and returns its exit status.
func fail(err error) int {
	fmt.Fprintln(os.Stderr, "appd:", err)
	return supervisor.ExitStatus(err)
}
