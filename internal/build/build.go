// One builder for the life of a supervisor.

package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// keep is how many programs stay: the one in force and its predecessor.
const keep = 2

// Builder remembers the programs of one folder. Set the fields before the first
// Build.
type Builder struct {
	Dir   string // folder for the programs; made if it is missing
	Cache string // for GOCACHE and GOPATH where neither the environment nor the user's home has them

	mu    sync.Mutex
	built []program // guarded by mu; oldest first
}

// Job is one build.
type Job struct {
	Package    string              // as go build takes it: ./cmd/shop
	Flags      []string            // more arguments of go build
	Name       string              // of the program
	Generation int                 // part of the file's name
	Dir        string              // folder in which the compiler runs
	Env        []string            // KEY=VALUE, over our own environment
	User       *syscall.Credential // nil = ourselves
	Home       string              // of User; "" = none
}

type program struct {
	path    string
	retired bool
}

// Error is a build that failed.
type Error struct {
	Command []string
	Output  []string // what it printed
	Err     error
}

// Error implements error with one line; Output says more.
func (e *Error) Error() string { return strings.Join(e.Command, " ") + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Build does a job and returns the program's path. The program stands until Retire
// is called for the path and two newer ones exist.
func (b *Builder) Build(ctx context.Context, j Job) (string, error) {
	if err := b.prepareDir(j.User); err != nil {
		return "", err
	}
	path := filepath.Join(b.Dir, fmt.Sprintf("%s-%d-%d", fileName(j.Name), os.Getpid(), j.Generation))
	args := append([]string{"go", "build", "-buildvcs=false", "-o", path}, j.Flags...)
	env, clean, err := scratch(b.environ(j), j.User)
	if err != nil {
		return "", err
	}
	defer clean()
	if err := Run(ctx, Command{Args: append(args, j.Package), Dir: j.Dir, Env: env, User: j.User}); err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", &Error{Command: args, Err: err}
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", &Error{Command: args, Err: fmt.Errorf("%s is not package main, so there is no program", j.Package)}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.built = append(b.built, program{path: path})
	return path, nil
}

// Retire says that no worker will be started from path again.
func (b *Builder) Retire(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.built {
		if b.built[i].path == path {
			b.built[i].retired = true
		}
	}
	for len(b.built) > keep {
		i := slices.IndexFunc(b.built, func(p program) bool { return p.retired })
		if i < 0 {
			return
		}
		os.Remove(b.built[i].path) // what is left over goes at the next start
		b.built = slices.Delete(b.built, i, i+1)
	}
}

// prepareDir makes the folder, lets the user write into it, and removes what dead
// supervisors left behind.
func (b *Builder) prepareDir(user *syscall.Credential) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.built) > 0 {
		return nil
	}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	if err := give(b.Dir, user); err != nil {
		return err
	}
	old, _ := filepath.Glob(filepath.Join(b.Dir, "*-*-*"))
	for _, path := range old {
		parts := strings.Split(filepath.Base(path), "-")
		pid, err := strconv.Atoi(parts[len(parts)-2])
		if err == nil && pid != os.Getpid() && syscall.Kill(pid, 0) == syscall.ESRCH {
			os.Remove(path)
		}
	}
	return nil
}

// give makes user the owner of a folder.
func give(dir string, user *syscall.Credential) error {
	if user == nil {
		return nil
	}
	return os.Chown(dir, int(user.Uid), int(user.Gid))
}

// scratch gives the compiler a temporary folder of its own. One that is killed, because
// a newer change came, does not tidy up by itself.
func scratch(env []string, user *syscall.Credential) (with []string, clean func(), err error) {
	parent := lookup(env, "GOTMPDIR")
	if parent == "" {
		parent = lookup(env, "TMPDIR")
	}
	dir, err := os.MkdirTemp(parent, "appd-build-")
	if err != nil {
		return nil, nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	if err := give(dir, user); err != nil {
		clean()
		return nil, nil, err
	}
	return append(env, "GOTMPDIR="+dir), clean, nil
}

// environ is the compiler's environment. Without a cache and a folder for modules
// that the user may write to, go build would refuse to work, as it does for a service
// without a home. A cache of the user's saves the first build from compiling the
// standard library.
func (b *Builder) environ(j Job) []string {
	env := append(os.Environ(), j.Env...)
	if j.User != nil {
		env = append(env, "HOME="+j.Home)
	}
	own := b.Cache
	if j.User != nil {
		own += fmt.Sprint("-", j.User.Uid) // an upgrade may change the user
	}
	cache, home := lookup(env, "XDG_CACHE_HOME"), lookup(env, "HOME")
	if cache == "" && home != "" {
		cache = filepath.Join(home, ".cache")
	}
	if lookup(env, "GOCACHE") == "" && !belongs(filepath.Join(cache, "go-build"), j.User) && os.MkdirAll(own, 0o755) == nil && give(own, j.User) == nil {
		env = append(env, "GOCACHE="+own)
	}
	if lookup(env, "GOPATH") == "" && !belongs(home, j.User) && !belongs(filepath.Join(home, "go"), j.User) {
		env = append(env, "GOPATH="+filepath.Join(own, "gopath"))
	}
	return env
}

// belongs says whether path, absolute, is a folder of the user that the user may write
// to.
func belongs(path string, user *syscall.Credential) bool {
	info, err := os.Stat(path)
	if err != nil || !filepath.IsAbs(path) {
		return false
	}
	uid := uint32(os.Geteuid())
	if user != nil {
		uid = user.Uid
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && st.Uid == uid && info.Mode()&0o200 != 0
}

// lookup finds the last value of name.
func lookup(env []string, name string) (value string) {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}

// fileName is name without what a file's name cannot have.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == 0 || r == '-' {
			return '_'
		}
		return r
	}, name)
	if name == "" || name[0] == '.' {
		return "app" + name
	}
	return name
}

// Command is a program to run to its end.
type Command struct {
	Args []string
	Dir  string
	Env  []string // whole; nil = ours
	User *syscall.Credential
}

// Run runs a command to its end. The error is an [*Error] with its output. When ctx
// ends first the whole process group is killed.
func Run(ctx context.Context, c Command) error {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	var out bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.Dir, c.Env, &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.User}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second // for a grandchild that keeps the pipe
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return &Error{Command: c.Args, Output: lines(out.String()), Err: err}
}

func lines(text string) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
