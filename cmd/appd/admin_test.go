package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/ports"
	"github.com/appd-server/appd/supervisor"
)

// freeAddress is an address of this machine that nobody has.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}

// answers says whether somebody serves admin pages at an address.
func answers(address string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode == http.StatusOK
}

func newEndpoints(t *testing.T) (*endpoints, context.Context) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	sides := new(sync.WaitGroup)
	t.Cleanup(func() { stop(); sides.Wait() })
	return &endpoints{
		source:  func(context.Context) (supervisor.Snapshot, error) { return supervisor.Snapshot{}, nil },
		log:     hclog.NewNullLogger(),
		sides:   sides,
		serving: map[string]*endpoint{},
	}, ctx
}

// eventually waits for something that another goroutine is about to do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Error(what)
}

func TestEndpointsFollowReloads(t *testing.T) {
	e, ctx := newEndpoints(t)
	first, second := &config.Admin{Address: freeAddress(t)}, &config.Admin{Address: freeAddress(t)}
	if err := e.open([]*config.Admin{first}); err != nil {
		t.Fatal(err)
	}
	e.settle(ctx, true)
	if !answers(first.Address) {
		t.Error("the first does not answer")
	}

	if err := e.open([]*config.Admin{second}); err != nil {
		t.Fatal(err)
	}
	e.settle(ctx, false)
	if answers(second.Address) || !answers(first.Address) {
		t.Error("a refused reload changed the endpoints")
	}

	if err := e.open([]*config.Admin{second}); err != nil {
		t.Fatal(err)
	}
	e.settle(ctx, true)
	if !answers(second.Address) {
		t.Error("the second does not answer")
	}
	eventually(t, "the first still answers", func() bool { return !answers(first.Address) })

	other := *second // the same address, other peers: the old one has to go first
	other.AllowPeers = []string{"127.0.0.0/8"}
	if err := e.open([]*config.Admin{&other}); err != nil {
		t.Fatal(err)
	}
	e.settle(ctx, true)
	eventually(t, "the changed one does not answer", func() bool { return answers(second.Address) })

	e.end()
	eventually(t, "an ended one answers", func() bool { return !answers(second.Address) })
}

func TestAnAddressInUseRefuses(t *testing.T) {
	e, ctx := newEndpoints(t)
	l, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	free := &config.Admin{Address: "unix:" + filepath.Join(t.TempDir(), "s")}
	taken := &config.Admin{Address: l.Addr().String()}
	if err := e.open([]*config.Admin{free, taken}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("open() = %v, want an error that says in use", err)
	}
	if len(e.bound) != 0 {
		t.Error("something stays bound")
	}

	e.wait = true // a successor waits for what its predecessor holds
	if err := e.open([]*config.Admin{taken}); err != nil {
		t.Fatal(err)
	}
	e.settle(ctx, true)
	l.Close()
	eventually(t, "the successor does not answer", func() bool { return answers(taken.Address) })
}
