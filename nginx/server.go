// Running nginx as a supervised child.

package nginx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Log takes what happens to nginx; a hclog.Logger is one.
type Log interface {
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
}

// Server is an nginx that belongs to us: its configuration, pid, logs and
// temporary files are in Dir. Set the fields before Run.
//
//	      +---------- died: wait, 100ms doubling to 30s ----------+
//	      v                                                       |
//	render, nginx -t, adopt or start --> serving -----------------+
//	                                        | context done
//	                                        v
//	                              QUIT --> Grace --> TERM --> KILL
type Server struct {
	// Dir is the folder of everything that belongs to this nginx. nginx's
	// workers must be able to reach it: with root, its parents need mode 0711.
	Dir string

	Program   string        // path of nginx; empty: Find
	User      string        // account of nginx's workers; empty: Account; ignored without root
	Group     string        // empty: the group of User
	Processes int           // nginx's worker_processes; 0: one per CPU
	Grace     time.Duration // how long a stop waits for requests; 0: 30 seconds
	Log       Log           // may be nil

	// Ready is called, if not nil, each time nginx has opened its sockets.
	Ready func(pid int)

	mu    sync.Mutex
	sites []Site   // guarded by mu: what the configuration in force holds
	proc  *process // guarded by mu: the running nginx, nil while there is none
}

// ErrLeave as the cause of a done context makes Run return without stopping
// nginx: a successor with the same Dir will adopt it. That is how an upgrade of
// appd's own binary keeps the front's sockets open.
var ErrLeave = errors.New("nginx: left to a successor")

// Run keeps nginx running with the given sites until ctx is done, then stops it
// gracefully and returns nil. An nginx that dies is started again, after a pause
// that grows from 100 milliseconds to 30 seconds. Run returns an error only when
// nginx cannot be started the first time: *TestError, [ErrNotFound], or what its
// log says.
//
// If a predecessor left an nginx running in Dir it is adopted and reloaded
// instead of started.
func (s *Server) Run(ctx context.Context, sites ...Site) error {
	if err := s.load(ctx, sites); err != nil {
		return err
	}
	p, err := s.start(ctx)
	if err != nil {
		return err
	}
	pause := pauseMin
	for {
		if p != nil {
			began := time.Now()
			select {
			case <-ctx.Done():
				return s.finish(ctx, p)
			case <-p.done:
			}
			s.set(nil)
			p.sweep()
			if time.Since(began) > healthy {
				pause = pauseMin
			}
			s.warn("nginx died", "pid", p.pid, "status", p.status, "after", time.Since(began).Round(time.Millisecond), "log", lastLines(s.path("error.log"), 3))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, pauseMax)
		if p, err = s.start(ctx); err != nil && ctx.Err() == nil {
			s.warn("nginx does not start", "error", err, "again_in", pause)
		}
	}
}

// Limits of the pause before nginx is started again.
const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 30 * time.Second
	healthy  = time.Minute
)

// Reload puts new sites into force. When nginx -t refuses them the old
// configuration stays, and the *TestError says why. It may be called while Run
// runs, from any goroutine.
func (s *Server) Reload(ctx context.Context, sites ...Site) error {
	if err := s.load(ctx, sites); err != nil {
		return err
	}
	return s.signal(syscall.SIGHUP)
}

// Reopen makes nginx open its log files again, after they were moved away.
func (s *Server) Reopen() error { return s.signal(syscall.SIGUSR1) }

// Found is the process id of an nginx that runs in Dir, whoever started it; 0 without
// one.
func (s *Server) Found() int {
	if pid := readPID(s.path("nginx.pid")); pid > 0 && runs(pid, s.path("nginx.conf")) {
		return pid
	}
	return 0
}

// Retire stops the nginx that a predecessor left running in Dir, gracefully, and waits
// until it has ended. Run must not be running.
func (s *Server) Retire() {
	p := adopt(s.path("nginx.pid"), s.path("nginx.conf"))
	if p == nil {
		return
	}
	s.info("nginx is no longer wanted", "pid", p.pid)
	_ = s.finish(context.Background(), p)
}

// load renders sites beside the configuration in force, tests them, and only
// then puts them in its place.
func (s *Server) load(ctx context.Context, sites []Site) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	program, err := Find(s.Program)
	if err != nil {
		return err
	}
	file, err := write(s.whole(), "next.conf", sites)
	if err != nil {
		return err
	}
	if err := check(ctx, program, file); err != nil {
		os.Remove(file)
		return err
	}
	if err := os.Rename(file, s.path("nginx.conf")); err != nil {
		return fmt.Errorf("nginx: %w", err)
	}
	s.sites = sites
	return nil
}

// whole is the frame of this server's configuration.
func (s *Server) whole() whole {
	w := whole{Dir: s.Dir, Processes: "auto", Grace: seconds(cmp.Or(s.Grace, grace))}
	if s.Processes > 0 {
		w.Processes = strconv.Itoa(s.Processes)
	} else if n := runtime.NumCPU(); n < 2 {
		w.Processes = "2" // one that waits for a disk must not stop the other
	}
	if os.Geteuid() == 0 {
		w.User, w.Group = s.User, s.Group
		if w.User == "" {
			w.User, w.Group = Account()
		}
	}
	return w
}

// path is a file in Dir.
func (s *Server) path(name string) string { return filepath.Join(s.Dir, name) }

// start adopts or starts nginx and waits until it has opened its sockets.
func (s *Server) start(ctx context.Context) (*process, error) {
	p := adopt(s.path("nginx.pid"), s.path("nginx.conf"))
	if p != nil {
		s.info("nginx adopted", "pid", p.pid)
		if err := p.signal(syscall.SIGHUP); err != nil {
			return nil, err
		}
	} else {
		program, err := Find(s.Program)
		if err != nil {
			return nil, err
		}
		s.removeDead()
		if p, err = spawn(ctx, program, s.Dir); err != nil {
			return nil, err
		}
		s.info("nginx ready", "pid", p.pid)
	}
	s.set(p)
	if s.Ready != nil {
		s.Ready(p.pid)
	}
	return p, nil
}

// removeDead unlinks the socket files of an nginx that was killed: nginx itself
// does not, and then cannot bind them.
func (s *Server) removeDead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, site := range s.sites {
		for _, l := range site.Listen {
			path, isUnix := strings.CutPrefix(strings.Fields(l + " -")[0], "unix:")
			if !isUnix {
				continue
			}
			conn, err := net.Dial("unix", path)
			if err == nil {
				conn.Close()
			}
			if errors.Is(err, syscall.ECONNREFUSED) {
				os.Remove(path)
			}
		}
	}
}

// finish ends nginx as the context's cause wants it.
func (s *Server) finish(ctx context.Context, p *process) error {
	if errors.Is(context.Cause(ctx), ErrLeave) {
		return nil
	}
	wait := cmp.Or(s.Grace, grace)
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGKILL} {
		if err := p.signal(sig); err != nil {
			break
		}
		select {
		case <-p.done:
			s.set(nil)
			s.info("nginx stopped", "pid", p.pid)
			return nil
		case <-time.After(wait):
			s.warn("nginx does not stop", "pid", p.pid, "signal", sig, "after", wait)
			wait = 2 * time.Second
		}
	}
	<-p.done
	s.set(nil)
	return nil
}

func (s *Server) set(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc = p
}

// signal reaches the running nginx; without one there is nothing to do, the next
// start reads the new files anyway.
func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	return s.proc.signal(sig)
}

func (s *Server) info(msg string, args ...any) {
	if s.Log != nil {
		s.Log.Info(msg, args...)
	}
}

func (s *Server) warn(msg string, args ...any) {
	if s.Log != nil {
		s.Log.Warn(msg, args...)
	}
}
