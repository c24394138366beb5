// A generation: one load of the configuration and the code.

package supervisor

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

// generation is what the workers of one load have in common. After its program is
// prepared nothing in it changes.
type generation struct {
	number    int
	born      time.Time
	cfg       *Config
	listeners []*listener // in the order of the configuration
	logs      *logs

	dir     string // App.Chdir with symbolic links resolved
	program Program
	preload *preloader // nil without preload_app
}

// newGeneration counts one more load.
func (s *Supervisor) newGeneration(cfg *Config) *generation {
	s.numbers++
	g := &generation{number: s.numbers, born: time.Now(), cfg: cfg}
	s.generations = append(s.generations, g)
	return g
}

// resolve follows the symbolic links of the application's folder as they are now.
func (g *generation) resolve() error {
	dir := g.cfg.App.Chdir
	if dir == "" {
		wd, err := os.Getwd()
		g.dir = wd
		return err
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	g.dir, err = filepath.Abs(dir)
	return err
}

// contract says whether workers of this kind speak package handoff's contract.
func (k Kind) contract() bool { return k == KindGo || k == KindPython }

// blocking says whether programs of this kind need their listener to block: they leave
// their accept loop on EAGAIN.
func (k Kind) blocking() bool { return k == KindFastCGI }

// cooperative says that a stuck request need not keep others of its thread from
// going on.
func (g *generation) cooperative() bool {
	p := g.python()
	return p != nil && p.WorkerClass == "gevent"
}

func (g *generation) bootTimeout() time.Duration     { return max(g.cfg.BootTimeout, 0) }
func (g *generation) gracefulTimeout() time.Duration { return max(g.cfg.GracefulTimeout, 0) }
func (g *generation) stopSignal() syscall.Signal     { return g.cfg.App.StopSignal }

// withDefaults fills in what a zero value stands for.
func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.BootTimeout, time.Minute},
		{&c.GracefulTimeout, 30 * time.Second},
		{&c.HookTimeout, 10 * time.Second},
		{&c.App.ReadyAfter, time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.App.StopSignal == 0 {
		c.App.StopSignal = syscall.SIGTERM
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	if c.Output == nil {
		c.Output = c.Log
	}
	if c.WorkersMax > 0 {
		c.WorkersMin = max(c.WorkersMin, 1)
		c.WorkersMax = max(c.WorkersMax, c.WorkersMin)
	}
	return c
}

// startWith is the number of workers after a start or a reload.
func (c *Config) startWith() int {
	if c.WorkersMax > 0 {
		return min(max(c.Workers, c.WorkersMin), c.WorkersMax)
	}
	return c.Workers
}
