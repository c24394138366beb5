// The environment of a worker, and where a program is found in it.

package supervisor

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/appd-server/appd/internal/handoff"
)

// environment is ours without what concerns us alone, then the app's, then what
// the supervisor has to say.
func (l *launcher) environment(o order) []string {
	g := o.gen
	env := g.environment()
	if g.cfg.App.Kind == KindFastCGI {
		env = unsetenv(env, "PHP_FCGI_CHILDREN") // its own children would hide their deaths
	}
	if g.cfg.App.Kind == KindGo {
		env = shareOut(env, o.workers, memoryMax())
	}
	if g.cfg.App.Kind == KindPython {
		env = setenv(env, "PYTHONUNBUFFERED", "1")
	}
	return append(env,
		"APPD_WORKER_ID="+strconv.Itoa(o.slot),
		"APPD_GENERATION="+strconv.Itoa(g.number),
		"APPD_WORKERS="+strconv.Itoa(o.workers))
}

// private variables concern this process and no worker. APPD_DETACHED is how the
// command knows that it is a daemon already; one that a worker starts is none.
var private = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "APPD_DETACHED", upgradeEnv, handoff.Env}

// environment is what everybody of a generation gets.
func (g *generation) environment() []string {
	env := unsetenv(os.Environ(), private...)
	for _, kv := range append(append([]string(nil), g.cfg.App.Env...), g.program.Env...) {
		k, v, _ := strings.Cut(kv, "=")
		env = setenv(env, k, v)
	}
	return setenv(env, "PWD", g.folder())
}

func setenv(env []string, key, value string) []string {
	return append(unsetenv(env, key), key+"="+value)
}

func unsetenv(env []string, keys ...string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, kv := range env {
		k, _, _ := strings.Cut(kv, "=")
		keep := true
		for _, key := range keys {
			keep = keep && k != key
		}
		if keep {
			kept = append(kept, kv)
		}
	}
	return kept
}

func given(env []string, key string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, key+"=") {
			return true
		}
	}
	return false
}

// lookPath finds a program the way the child would: in its PATH, relative to its
// folder.
func lookPath(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		full := name
		if !filepath.IsAbs(name) {
			full = filepath.Join(dir, name)
		}
		_, err := exec.LookPath(full)
		return full, err
	}
	for _, kv := range env {
		if list, ok := strings.CutPrefix(kv, "PATH="); ok {
			for _, folder := range filepath.SplitList(list) {
				full := filepath.Join(folder, name)
				if !filepath.IsAbs(folder) {
					full = filepath.Join(dir, full)
				}
				if _, err := exec.LookPath(full); err == nil {
					return full, nil
				}
			}
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// share is how many CPUs a Go worker may use beside the others.
func share(workers int) int {
	cpus := runtime.GOMAXPROCS(0)
	return max((cpus+workers-1)/workers, min(cpus, 2))
}

// shares is what one of so many Go workers may have of the CPUs and of the memory, of
// which limit is for all; 0 where somebody wrote it down, or where there is no limit.
func shares(env []string, workers int, limit int64) (procs int, memory int64) {
	if !given(env, "GOMAXPROCS") {
		procs = share(workers)
	}
	if limit > 0 && !given(env, "GOMEMLIMIT") {
		memory = limit / 10 * 9 / int64(workers)
	}
	return procs, memory
}

// shareOut sets GOMAXPROCS and GOMEMLIMIT unless somebody wrote them.
func shareOut(env []string, workers int, limit int64) []string {
	procs, memory := shares(env, workers, limit)
	if procs > 0 {
		env = append(env, "GOMAXPROCS=1")
	}
	if memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(memory, 10))
	}
	return env
}

func (g *generation) folder() string {
	if g.program.Dir != "" {
		return g.program.Dir
	}
	return g.dir
}

func (g *generation) python() *handoff.Python {
	if g.program.Python != nil {
		return g.program.Python
	}
	return g.cfg.App.Python
}
