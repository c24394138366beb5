// The managed nginx: started when the application is ready, stopped before the
// workers, left running in an upgrade.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/nginx"
)

// front is the nginx that appd runs.
type front struct {
	server *nginx.Server
	log    hclog.Logger

	mu  sync.Mutex
	now *frontRun // guarded by mu: the last one; nil until nginx was started
}

// frontRun is nginx from its start to its end.
type frontRun struct {
	ctx    context.Context // ends when nginx has to
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when nginx has ended
}

// stop ends nginx, or leaves it to a successor if cause is nginx.ErrLeave, and waits
// until that is done.
func (r *frontRun) stop(cause error) {
	if r != nil {
		r.cancel(cause)
		<-r.done
	}
}

// managed are the sites that appd lets nginx serve.
func managed(c *config.Config) (all []nginx.Site) {
	sites := sites(c)
	for i, n := range c.Nginx {
		if n.Manage {
			all = append(all, sites[i])
		}
	}
	return all
}

func newFront(c *config.Config, runDir string, log hclog.Logger) *front {
	return &front{
		log:    log,
		server: &nginx.Server{Dir: filepath.Join(runDir, "nginx"), Log: log, Grace: time.Duration(c.Worker.GracefulTimeout)},
	}
}

// run is the last start.
func (f *front) run() *frontRun {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// start runs nginx, after the end of an earlier one. failed is called if it cannot be
// started.
func (f *front) start(sites []nginx.Site, failed func(error)) {
	earlier, r := f.run(), &frontRun{done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	f.mu.Lock()
	f.now = r
	f.mu.Unlock()
	go func() {
		defer close(r.done)
		earlier.stop(nil)
		if err := f.server.Run(r.ctx, sites...); err != nil && r.ctx.Err() == nil {
			r.cancel(err)
			failed(err)
		}
	}()
}

// end stops nginx and waits.
func (f *front) end(cause error) { f.run().stop(cause) }

// leave gives nginx to a successor.
func (f *front) leave() {
	if r := f.run(); r != nil {
		r.cancel(nginx.ErrLeave)
	}
}

// retire stops the nginx that an appd which is gone left behind: this configuration
// has none.
func (f *front) retire() {
	earlier, r := f.run(), &frontRun{done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	r.cancel(nil)
	f.mu.Lock()
	f.now = r
	f.mu.Unlock()
	go func() {
		defer close(r.done)
		earlier.stop(nil)
		if pid := f.server.Found(); pid != 0 && !startedByAppd(pid) {
			f.server.Retire()
		}
	}()
}

// startedByAppd tells whether an appd lives that started this process. One that was
// started by an appd which is gone has another parent by now.
func startedByAppd(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // behind the name
	if err != nil || len(fields) < 2 {
		return false
	}
	title, err := os.ReadFile("/proc/" + fields[1] + "/cmdline")
	return err == nil && bytes.HasPrefix(title, []byte("appd: supervisor"))
}

// running tells whether nginx was started and is to go on.
func (f *front) running() bool {
	r := f.run()
	return r != nil && r.ctx.Err() == nil
}

// reload puts the sites of a new configuration into force while nginx runs.
func (f *front) reload(sites []nginx.Site) error {
	ctx, cancel := context.WithTimeout(f.run().ctx, 30*time.Second)
	defer cancel()
	return f.server.Reload(ctx, sites...)
}

// reopen makes nginx open its logs again.
func (f *front) reopen() error {
	if !f.running() {
		return nil
	}
	return f.server.Reopen()
}

// testSites asks nginx about the sites before anything is started or replaced.
func testSites(ctx context.Context, sites []nginx.Site) error {
	if len(sites) == 0 {
		return nil
	}
	err := nginx.Test(ctx, "", sites...)
	if errors.Is(err, nginx.ErrNotFound) {
		return fmt.Errorf("nginx { manage = true }: %w", err)
	}
	return err
}
