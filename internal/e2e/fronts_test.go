// The fronts: which program speaks how, and what differs between them.

package e2e

import (
	"slices"
	"sync"
	"testing"
)

// front is a program with one way to speak to appd.
type front struct {
	code     string
	protocol string
	addr     string // where clients reach it
	server   *process

	spools bool // takes an upload completely before appd sees any of it
	kept   bool // keeps its connections to appd
}

// program is what a family of fronts needs and how it starts.
type program struct {
	name  string
	start func(t testing.TB, a *appd) []*front
}

// programs are the families, in the order of their tests.
var programs = []program{
	{"nginx", startNginx},
	{"haproxy", startHAProxy},
	{"apache2", startApache},
	{"lighttpd", startLighttpd},
	{"caddy", startCaddy},
	{routers, startRouters},
}

// running are the families that have been started, by program.
var running struct {
	sync.Mutex
	fronts map[string][]*front
}

// family starts a program in front of the shared appd, once.
func family(t testing.TB, p program) []*front {
	t.Helper()
	a := shared(t)
	running.Lock()
	defer running.Unlock()
	if fronts, ok := running.fronts[p.name]; ok {
		return fronts
	}
	need(t, p.name)
	if running.fronts == nil {
		running.fronts = map[string][]*front{}
	}
	fronts := p.start(lasting{t}, a)
	running.fronts[p.name] = fronts
	return fronts
}

// behind runs a cell behind every front but the routers, or behind those with one of
// the codes.
func behind(t *testing.T, cell func(t *testing.T, f *front), codes ...string) {
	t.Helper()
	for _, p := range programs {
		if len(codes) > 0 && !anyOf(codes, codesOf[p.name]) || len(codes) == 0 && p.name == routers {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			for _, f := range family(t, p) {
				if len(codes) == 0 || anyOf(codes, []string{f.code}) {
					t.Run(f.code, func(t *testing.T) { cell(t, f) })
				}
			}
		})
	}
}

// codesOf names the fronts of a program before it is started.
var codesOf = map[string][]string{
	"nginx":    {"NF", "NK", "NX", "NU", "NH0", "NH1", "NFD", "NUD"},
	"haproxy":  {"HF", "HM", "HH"},
	"apache2":  {"AF", "AU", "AH"},
	"lighttpd": {"LF", "LFS", "LU", "LH"},
	"caddy":    {"CF", "CH"},
	routers:    {"UR", "FR"},
}

func anyOf(a, b []string) bool {
	for _, x := range a {
		if slices.Contains(b, x) {
			return true
		}
	}
	return false
}

// nginxFronts are all the ways in which nginx speaks.
var nginxFronts = codesOf["nginx"]
