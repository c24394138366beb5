// appd import: an appd.hcl from gunicorn's or uWSGI's configuration.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/migrate"
)

var importVerb = verb{
	name: "import", args: "FILE [APP]",
	summary: "write an appd.hcl from a gunicorn.conf.py or a uwsgi.ini",
	more: `What could not be carried over is listed, with what to use instead. A gunicorn.conf.py is a program: it is run
by the interpreter (--python, else the active virtual environment's). APP names the application where FILE does not.`,
	flags: func(f *pflag.FlagSet) {
		f.StringP("output", "o", "appd.hcl", "The `FILE` to write, or - for stdout.")
		f.Bool("force", false, "Write over a file that is there.")
	},
	run: func(in *invocation) int {
		if len(in.args) < 1 || len(in.args) > 2 {
			return usage(errors.New("import takes a gunicorn.conf.py or a uwsgi.ini, and perhaps the application"))
		}
		app := ""
		if len(in.args) == 2 {
			app = in.args[1]
		}
		d, err := readForeign(in.args[0], app, cmp.Or(in.given.Last("python"), pythonHere()))
		if err != nil {
			return fail(err)
		}
		if status := in.write(d.HCL()); status != exitDone {
			return status
		}
		fmt.Fprint(os.Stderr, d.Report())
		return exitDone
	},
}

// readForeign reads a configuration by what it looks like.
func readForeign(path, app, interpreter string) (*migrate.Draft, error) {
	path = strings.TrimPrefix(path, "file:")
	switch filepath.Ext(path) {
	case ".py":
		return migrate.Gunicorn(context.Background(), path, interpreter, app)
	case ".ini":
		return migrate.UWSGI(path, app)
	}
	return nil, fmt.Errorf("%s is neither a .py of gunicorn nor an .ini of uWSGI", path)
}

// pythonHere is the interpreter for a project in the current folder.
func pythonHere() string {
	if venv := os.Getenv("VIRTUAL_ENV"); venv != "" {
		return filepath.Join(venv, "bin", "python")
	}
	if path := findVenv("."); path != "" {
		return path
	}
	return "python3"
}

// write puts a configuration where --output says; it does not write over a file
// unless it was told to.
func (in *invocation) write(text []byte) int {
	path, _ := in.flags.GetString("output")
	force, _ := in.flags.GetBool("force")
	if path == "-" {
		if _, err := os.Stdout.Write(text); err != nil {
			return fail(err)
		}
		return exitDone
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fail(fmt.Errorf("%s is there already; --force writes over it, -o names another file", path))
	}
	if err != nil {
		return fail(err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fail(err)
	}
	fmt.Fprintln(os.Stderr, "wrote", path)
	return exitDone
}
