package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/supervisor"
)

// TestManual holds docs/commands.md against the tables of verbs and of signals;
// APPD_UPDATE=1 rewrites it.
func TestManual(t *testing.T) {
	const path = "../../docs/commands.md"
	got := manual()
	if os.Getenv("APPD_UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the tables; APPD_UPDATE=1 rewrites it", path)
	}
}

func manual() []byte {
	var b bytes.Buffer
	b.WriteString(manualHead)
	for _, v := range verbs {
		fmt.Fprintf(&b, "| `appd %s` | %s |\n", strings.TrimSpace(v.name+" "+v.args), v.summary)
	}
	b.WriteString(manualFlags)
	for _, v := range verbs {
		if v.flags == nil && v.more == "" {
			continue
		}
		fmt.Fprintf(&b, "\n### appd %s\n\n", v.name)
		if v.more != "" {
			fmt.Fprintf(&b, "%s\n", v.more)
		}
		writeFlags(&b, v)
	}
	b.WriteString(manualSignals)
	for _, s := range supervisor.Verbs {
		verb := ""
		if s.Name != "" {
			verb = "`appd " + s.Name + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimPrefix(unix.SignalName(s.Signal), "SIG"), s.Means, verb)
	}
	b.WriteString(manualTail)
	return b.Bytes()
}

func writeFlags(b *bytes.Buffer, v *verb) {
	if v.flags == nil {
		return
	}
	if v.more != "" {
		b.WriteString("\n")
	}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	v.flags(set)
	set.VisitAll(func(f *pflag.Flag) {
		short := ""
		if f.Shorthand != "" {
			short = "`-" + f.Shorthand + "`, "
		}
		fmt.Fprintf(b, "- %s`--%s`: %s\n", short, f.Name, f.Usage)
	})
}

const manualHead = `# Commands

<!-- Made from the tables of verbs and signals by APPD_UPDATE=1 go test ./cmd/appd -run TestManual. Do not edit. -->

    appd -c appd.hcl                                        run what the file describes; without -c it is ./appd.hcl
    appd shop.wsgi:application -w 4 -b unix:app.sock        run a Python application, with gunicorn's flags
    appd ./cmd/shop                                         build and run a Go package
    appd VERB                                               one of the verbs below

The first word is a verb if it is exactly one; else, with a slash or a dot in front, a Go package or a program; else
` + "`module[:callable]`" + `. ` + "`appd run X`" + ` forces an application. Flags may stand before and after the application; ` + "`-w4`, `-w 4` and\n`--workers=4`" + ` are the same, and
a flag may be cut short while it stays clear which one is meant. Every flag of an application is a setting: [config.md](config.md).
With an application on the command line, ./appd.hcl is read only if -c names it.

| command | |
|---|---|
`

const manualFlags = `
Exit status: 0 done, 1 it was tried and failed (a refused reload, an address or pidfile in use), 2 configuration or usage, 3 the application cannot boot,
or nothing is running.
`

const manualSignals = `
## Signals

| signal | means | command |
|---|---|---|
`

const manualTail = `
QUIT is graceful, as in nginx. USR2 retires the old side by itself, when the new one serves. A signal that arrives again before it was taken is one
signal: whoever sends TTIN twice waits for the first worker, or uses ` + "`appd scale`" + `. Workers ignore HUP, USR1, USR2 and WINCH, and the TTOU of a terminal.

## The run folder

Verbs that talk to a running appd use the socket ` + "`control`" + ` in its run folder: ` + "`run_dir`" + `, else $RUNTIME_DIRECTORY, else /run/appd/KEY for root, else
$XDG_RUNTIME_DIR/appd/KEY, else a folder of the user's under the system's temporary folder. KEY is the beginning of the SHA-256 of appd.hcl's absolute path, or of the
first address for a start without a file; so give a verb the same ` + "`-c FILE`, or `-b ADDRESS`" + `, as the start. The socket has mode 0600, and only appd's own
user and root are answered. If it cannot be made appd goes on without it and says so.
`
