// The admin endpoints: one for each admin block, following reloads.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/status"
)

// endpoints are the admin endpoints of a running appd. What a configuration wants is
// bound by open, before it is known whether the configuration comes into force, and
// served or given up by settle.
type endpoints struct {
	source status.Source
	log    hclog.Logger
	sides  *sync.WaitGroup // of the goroutines that serve

	mu      sync.Mutex
	serving map[string]*endpoint    // by the block's whole content
	bound   map[string]net.Listener // not served yet
	wanted  []*config.Admin         // what open was given last
	wait    bool                    // a predecessor may still hold the addresses
	ended   bool
}

// endpoint is one that is served.
type endpoint struct {
	address string
	stop    context.CancelFunc
}

// blockKey tells blocks apart: a block whose mode changed is another endpoint.
func blockKey(a *config.Admin) string { return fmt.Sprint(*a) }

func address(a *config.Admin) status.Address {
	return status.Address{Address: a.Address, Mode: a.Mode.FileMode(), Owner: a.Owner, Group: a.Group, AllowPeers: a.AllowPeers}
}

// open binds the addresses that are not served yet, except those that somebody of
// ours still holds.
func (e *endpoints) open(admins []*config.Admin) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.giveUp()
	e.wanted, e.bound = admins, map[string]net.Listener{}
	for _, a := range admins {
		if e.serving[blockKey(a)] != nil && !vanished(a) || e.held(a) {
			continue
		}
		l, err := address(a).Listen()
		if err != nil {
			e.giveUp()
			return err
		}
		e.bound[blockKey(a)] = l
	}
	return nil
}

// vanished says that somebody has removed the socket of an endpoint.
func vanished(a *config.Admin) bool {
	path, local := config.IsUnix(a.Address)
	if !local {
		return false
	}
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// held says whether the address is only free once another endpoint has ended. Paths
// are taken over at once.
func (e *endpoints) held(a *config.Admin) bool {
	if strings.HasPrefix(a.Address, "unix:") {
		return false
	}
	for _, other := range e.serving {
		if other.address == a.Address {
			return true
		}
	}
	return e.wait
}

// giveUp closes what is bound and not served.
func (e *endpoints) giveUp() {
	for _, l := range e.bound {
		l.Close()
	}
	e.bound = nil
}

// settle ends a reload, or the start: the endpoints of the new configuration are
// served and those that it does not have are not, unless it was refused.
func (e *endpoints) settle(ctx context.Context, accepted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !accepted || e.ended {
		e.giveUp()
		return
	}
	stay := map[string]bool{}
	for _, a := range e.wanted {
		stay[blockKey(a)] = true
	}
	for key, old := range e.serving {
		if !stay[key] || e.bound[key] != nil {
			old.stop()
			delete(e.serving, key)
		}
	}
	for _, a := range e.wanted {
		if e.serving[blockKey(a)] == nil {
			e.serve(ctx, a)
		}
	}
	e.bound, e.wait = nil, false
}

// serve starts one endpoint; a missing listener is one that has to be waited for.
func (e *endpoints) serve(ctx context.Context, a *config.Admin) {
	ctx, stop := context.WithCancel(ctx)
	one := &endpoint{address: a.Address, stop: stop}
	l := e.bound[blockKey(a)]
	e.serving[blockKey(a)] = one
	e.sides.Go(func() {
		defer stop()
		var err error
		if l == nil {
			l, err = address(a).ListenWhenFree(ctx)
		}
		if err == nil {
			e.log.Info("admin endpoint", "listener", a.Address)
			err = (&status.Admin{Source: e.source, Version: release(), ErrorLog: e.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn})}).Serve(ctx, l)
		}
		if err != nil && ctx.Err() == nil {
			e.log.Error("admin endpoint ended", "listener", a.Address, "error", err)
		}
	})
}

// end gives all addresses up, to a successor. It does not wait.
func (e *endpoints) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	e.giveUp()
	for _, one := range e.serving {
		one.stop()
	}
	e.serving = nil
}

// release is the version in appd's build information.
func release() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
