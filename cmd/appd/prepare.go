// Making the program of each generation: building a Go package, finding a program
// or a Python interpreter, running the command that comes before.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/appd-server/appd/internal/build"
	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/supervisor"
)

// preparer makes programs for one configuration.
type preparer struct {
	c       *config.Config
	user    *syscall.Credential // nil = ourselves
	home    string              // of another user, "" = none
	builder *build.Builder      // nil unless the app is a Go package

	around func(context.Context, func() error) error // runs the before command; nil: just so
}

// builders keeps one builder for each package over all reloads, because it knows
// which programs are still in use.
var builders = map[string]*build.Builder{}

func newPreparer(c *config.Config, as *syscall.Credential, runDir string) *preparer {
	p := &preparer{c: c, user: as, home: os.Getenv("HOME")}
	if as != nil && c.User != "" {
		p.home = home(c.User)
	}
	if c.App.Kind != config.Go {
		return p
	}
	dir := buildFolder(runDir)
	if builders[dir] == nil {
		builders[dir] = &build.Builder{Dir: dir, Cache: filepath.Join(runDir, "go-cache")}
	}
	p.builder = builders[dir]
	return p
}

// home is the folder of a user, "" for one that has none.
func home(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return ""
		}
	}
	return u.HomeDir
}

// prepare makes one generation's program. It is called by the supervisor.
func (p *preparer) prepare(ctx context.Context, g supervisor.Generation) (supervisor.Program, error) {
	dir := g.Dir
	if dir == "" {
		dir = p.c.App.Chdir
	}
	if err := p.before(ctx, dir); err != nil {
		return supervisor.Program{}, p.failed(err, dir)
	}
	switch p.c.App.Kind {
	case config.Go:
		return p.goProgram(ctx, dir, g.Number)
	case config.WSGI:
		return p.python(dir)
	case config.FastCGI:
		return p.find(p.c.App.FastCGI, dir)
	case config.Exec:
		return p.find(p.c.App.Exec, dir)
	}
	return p.find(p.c.App.Command, dir)
}

// before runs the app's before command.
func (p *preparer) before(ctx context.Context, dir string) error {
	if len(p.c.App.Before) == 0 {
		return nil
	}
	env := append(os.Environ(), environ(p.c.App.Env)...)
	if p.user != nil {
		env = append(env, "HOME="+p.home)
	}
	run := func() error {
		return build.Run(ctx, build.Command{Args: p.c.App.Before, Dir: dir, Env: env, User: p.user})
	}
	if p.around == nil {
		return run()
	}
	return p.around(ctx, run)
}

// job is how the package is built in folder dir.
func (p *preparer) job(dir string, generation int) build.Job {
	return build.Job{
		Package:    p.c.App.Go,
		Flags:      p.c.App.BuildFlags,
		Name:       p.c.App.Name,
		Generation: generation,
		Dir:        dir,
		Env:        environ(p.c.App.Env),
		User:       p.user,
		Home:       p.home,
	}
}

func (p *preparer) goProgram(ctx context.Context, dir string, generation int) (supervisor.Program, error) {
	path, err := p.builder.Build(ctx, p.job(dir, generation))
	if err != nil {
		return supervisor.Program{}, p.failed(err, dir)
	}
	return supervisor.Program{Command: append([]string{path}, p.c.App.Args...), Retire: func() { p.builder.Retire(path) }}, nil
}

// find makes the program's path absolute: relative ones start at chdir, and one
// without a slash is sought in PATH.
func (p *preparer) find(command []string, dir string) (supervisor.Program, error) {
	path := command[0]
	if strings.Contains(path, "/") && !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path, err := exec.LookPath(path)
	if err != nil {
		return supervisor.Program{}, prepareError(notFound(err))
	}
	return supervisor.Program{Command: append([]string{path}, command[1:]...)}, nil
}

func notFound(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return fmt.Errorf("%s: %w", e.Name, e.Err)
	}
	return err
}

// failed is the supervisor's form of a command that failed in folder dir.
func (p *preparer) failed(err error, dir string) error {
	if b, ok := errors.AsType[*build.Error](err); ok && errors.Is(b.Err, fs.ErrPermission) {
		if program, err := exec.LookPath(b.Command[0]); err == nil {
			b.Err = cmp.Or(supervisor.Denied(p.user, dir, program), b.Err)
		}
	}
	return prepareError(err)
}

// prepareError is the supervisor's form of what went wrong, with the output.
func prepareError(err error) error {
	if b, ok := errors.AsType[*build.Error](err); ok {
		return &supervisor.PrepareError{Reason: fmt.Sprintf("%s failed: %v", short(b.Command), b.Err), Output: b.Output}
	}
	return &supervisor.PrepareError{Reason: err.Error()}
}

// short names a command without its arguments, except go's own verb.
func short(command []string) string {
	if len(command) > 1 && command[0] == "go" {
		return "go " + command[1]
	}
	return filepath.Base(command[0])
}
