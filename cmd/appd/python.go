// Making the program of a Python worker: the interpreter, the engine, and what the
// worker has to load.

package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/server/python"
	"github.com/appd-server/appd/supervisor"
)

// python makes the program of a wsgi application that is loaded from folder dir.
func (p *preparer) python(dir string) (supervisor.Program, error) {
	engine, err := python.FindEngine()
	if err != nil {
		return supervisor.Program{}, prepareError(err)
	}
	command, err := python.Command(interpreter(p.c))
	if err != nil {
		return supervisor.Program{}, prepareError(err)
	}
	return supervisor.Program{
		Command: command,
		Env:     []string{"PYTHONUNBUFFERED=1"},
		Python:  pythonApp(p.c, dir, engine),
	}, nil
}

// pythonApp is what the worker has to load.
func pythonApp(c *config.Config, dir, engine string) *handoff.Python {
	app := c.App.WSGI
	if !strings.Contains(app, ":") {
		app += ":application"
	}
	a := &handoff.Python{
		App:         app,
		Path:        append([]string{dir}, c.App.PythonPath...),
		WorkerClass: c.App.WorkerClass,
		Engine:      engine,
		Release:     tag(),
		Preload:     c.App.PreloadApp,
		Spew:        c.App.Spew,
		LogLevel:    c.LogLevel,
		Hooks:       map[string]string{},
	}
	for _, h := range c.Hooks {
		if h.Inside() {
			a.Hooks[h.Name] = h.Python
		}
	}
	return a
}

// interpreter is what python says, else the active virtual environment's, else
// python3 of PATH.
func interpreter(c *config.Config) string {
	if c.App.Python != "" {
		return c.App.Python
	}
	if venv := cmp.Or(c.App.Env["VIRTUAL_ENV"], os.Getenv("VIRTUAL_ENV")); venv != "" {
		return filepath.Join(venv, "bin", "python")
	}
	return "python3"
}

// forgetBytecode removes what Python has compiled of changed sources. It would take
// that for current if the size and the second of the change are the same.
func forgetBytecode(paths []string) {
	for _, path := range paths {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".py"); ok {
			stale, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "__pycache__", name+".*.pyc"))
			for _, file := range stale {
				os.Remove(file)
			}
		}
	}
}
