// The managed nginx: started when the application is ready, stopped before the
// workers, left running in an upgrade.

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/nginx"
)

// front is the nginx that appd runs.
type front struct {
	server *nginx.Server
	log    hclog.Logger
	ctx    context.Context // ends when the service ends
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when nginx has ended; nil until it was started
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

// start runs nginx until stop or leave. failed is called if it cannot be started.
func (f *front) start(sites []nginx.Site, failed func(error)) {
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	f.done = make(chan struct{})
	go func() {
		defer close(f.done)
		if err := f.server.Run(f.ctx, sites...); err != nil && f.ctx.Err() == nil {
			failed(err)
		}
	}()
}

// end stops nginx, or leaves it to a successor if cause is nginx.ErrLeave, and
// waits until that is done.
func (f *front) end(cause error) {
	if f.done == nil {
		return
	}
	f.cancel(cause)
	<-f.done
}

// running tells whether nginx was started. It and start are for the supervisor's
// loop.
func (f *front) running() bool { return f.done != nil }

// reload puts the sites of a new configuration into force while nginx runs.
func (f *front) reload(sites []nginx.Site) error {
	ctx, cancel := context.WithTimeout(f.ctx, 30*time.Second)
	defer cancel()
	return f.server.Reload(ctx, sites...)
}

// reopen makes nginx open its logs again.
func (f *front) reopen() error {
	if f.done == nil {
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
