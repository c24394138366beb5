// What runs beside the supervisor: the control socket, the admin endpoints, the
// managed nginx and, in development, the watcher.
//
//	bound  -> admin endpoints, control socket
//	ready  -> nginx
//	stop   -> nginx ends; then the workers are told
//	ended  -> admin endpoints and control socket end

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/control"
	"github.com/appd-server/appd/supervisor"
)

// beside starts what lives as long as the supervisor, which has its locks and sockets:
// a second appd hears of those first. An admin address that cannot be had is an error.
func (s *service) beside() error {
	if err := s.frontStays(); err != nil {
		return err
	}
	if err := s.admin.open(s.c.Admin); err != nil {
		return err
	}
	s.admin.settle(s.ctx, true)
	if !s.super.Successor() { // else the control socket is our predecessor's until we are ready
		s.open.Do(s.openControl)
	}
	s.develop(s.ctx)
	return nil
}

// openControl opens the control socket. Without it appd goes on: it matters to the
// verbs only, and a read-only file system must not keep a service down.
func (s *service) openControl() {
	path := filepath.Join(s.runDir, control.Name)
	if other := control.Listener(path); other != 0 && !s.super.Successor() {
		s.log.Warn("another appd runs in this run folder: verbs go on to reach that one; give this one a run_dir of its own", "run_dir", s.runDir, "pid", other)
		return
	}
	server, err := control.Listen(path)
	if err != nil {
		s.log.Warn("no control socket; verbs such as status and reload will not reach this appd", "error", err)
		return
	}
	remove := s.signpost()
	s.sides.Go(func() {
		s.serveControl(server, path)
		remove()
	})
}

const tendTime = time.Second // between two looks at the control socket

// serveControl answers on the control socket until the end. If somebody removes its file,
// perhaps with the run folder, both are made again: verbs must not need a restart.
func (s *service) serveControl(server *control.Server, path string) {
	var serving sync.WaitGroup
	defer serving.Wait()
	tick := time.NewTicker(tendTime)
	defer tick.Stop()
	for {
		serving.Go(func() { server.Serve(s.ctx, s.answer) })
		next := (*control.Server)(nil)
		for next == nil {
			select {
			case <-s.ctx.Done():
				return
			case <-tick.C:
			}
			if s.retired.Load() || !server.Vanished() {
				continue
			}
			if _, err := s.inForce().MakeRunFolder(); err == nil {
				next, _ = control.Listen(path) // it may succeed the next time
			}
		}
		s.log.Warn("the control socket was gone and has been made again", "run_dir", s.runDir)
		server.Retire()
		server = next
		s.signpost()
	}
}

// signpost puts a link to the control socket where verbs look when they cannot know
// the run folder, and returns what removes it. Failing is no harm: then they have to
// be told.
func (s *service) signpost() (remove func()) {
	socket, err := filepath.Abs(filepath.Join(s.runDir, control.Name))
	if err != nil || s.c.Signpost() == "" {
		return func() {}
	}
	dir, err := s.c.MakeSignpost()
	if err != nil {
		s.log.Debug("no signpost", "error", err)
		return func() {}
	}
	link := filepath.Join(dir, control.Name)
	temporary := fmt.Sprintf("%s.%d", link, os.Getpid())
	os.Remove(temporary)
	if err = os.Symlink(socket, temporary); err == nil {
		err = os.Rename(temporary, link)
	}
	if err != nil {
		s.log.Debug("no signpost", "error", err)
	}
	return func() {
		if _, err := os.Stat(socket); err != nil { // else a successor has taken over
			os.Remove(link)
			os.Remove(dir)
		}
	}
}

// ready is called once, when the first worker is ready.
func (s *service) ready() {
	s.open.Do(s.openControl)
	if s.waits != nil {
		s.out.tee(nil)
		s.waits.release()
	}
	switch sites := managed(s.inForce()); {
	case len(sites) > 0:
		s.front.start(sites, s.frontFailed)
	case !s.super.Successor():
		s.front.retire()
	}
}

// succeeded is called when a successor serves: it waits for the addresses of the admin
// endpoints, and looks after nginx already.
func (s *service) succeeded() {
	s.retired.Store(true)
	s.admin.end()
	s.front.leave()
}

// alone is called when the predecessor whose service we took over has ended.
func (s *service) alone() {
	switch before := s.super.PredecessorRunDir(); {
	case len(managed(s.inForce())) > 0:
	case before == s.runDir:
		s.front.retire()
	default:
		other := newFront(s.inForce(), before, s.log.Named("nginx"))
		other.retire()
		s.sides.Go(func() { other.end(nil) })
	}
}

// frontFailed ends the service: an application that nobody can reach is not up.
func (s *service) frontFailed(err error) {
	s.mu.Lock()
	s.failure = err
	s.mu.Unlock()
	s.log.Error("nginx cannot be started", "error", err)
	s.super.Stop(s.ctx, false)
}

// frontMissing says that nginx did not start in a reload, which must not end the
// service; the next reload tries again.
func (s *service) frontMissing(err error) {
	s.log.Error("nginx cannot be started, the workers serve without it", "error", err)
}

// stopping is called when a stop begins: nginx finishes its requests while the
// workers still serve.
func (s *service) stopping() { s.front.end(nil) }

// reloaded is called after each reload, from the supervisor's loop.
func (s *service) reloaded(r supervisor.ReloadResult) {
	s.admin.settle(s.ctx, r.OK)
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.pending
	s.pending = nil
	switch {
	case next == nil:
		return
	case !r.OK:
		s.dev.drop(next.watched)
		return
	}
	s.dev.adopt(next.watched)
	s.apply(next.c)
}

// apply puts a configuration into force beside the supervisor. The caller holds mu.
func (s *service) apply(next *config.Config) {
	s.c = next
	if err := s.out.open(next.ErrorLog); err != nil {
		s.log.Error("the log stays where it was", "error", err)
	}
	s.log.apply(next)
	switch sites := managed(next); {
	case len(sites) == 0:
		s.sides.Go(func() { s.front.end(nil) })
	case !s.front.running():
		s.front.start(sites, s.frontMissing)
	default:
		s.sides.Go(func() {
			if err := s.front.reload(sites); err != nil && s.front.running() {
				s.log.Error("nginx keeps its old configuration", "error", err)
			}
		})
	}
}

// frontStays refuses an upgrade that moves the run folder away from under an nginx
// that is to go on: its sockets cannot move with it.
func (s *service) frontStays() error {
	before := s.super.PredecessorRunDir()
	if before == "" || before == s.runDir || len(managed(s.c)) == 0 || newFront(s.c, before, s.log).server.Found() == 0 {
		return nil
	}
	return fmt.Errorf("run_dir changed from %s, where the managed nginx runs: restart appd, or keep run_dir", before)
}
