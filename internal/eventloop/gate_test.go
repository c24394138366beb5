//go:build linux

package eventloop

import (
	"log"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// A worker that holds connections of a burst stands aside in proportion; one that
// is always found needed takes more each time.
func TestStandingAside(t *testing.T) {
	l := new(Loop)
	l.SetSiblings(7)
	var g gate
	g.epoch.Store(0)
	var last time.Duration
	for i := range 12 {
		g.entered(&conn{})
		if i > 0 {
			g.last, g.since = handoff.Now(), 0 // however long the machine kept us waiting
		}
		d := g.accepted(l)
		if i == 0 { // the first connection of a burst resets the count
			g.burst.Store(1)
			continue
		}
		if d < last || d > longest {
			t.Errorf("connection %d: stands aside for %v, before that %v", i, d, last)
		}
		last = d
	}
	if last < 8*perLoad/2 {
		t.Errorf("with 12 connections only %v", last)
	}
	g.since = handoff.Now() - int64(2*longest)
	g.accepted(l)
	if g.starved == 0 {
		t.Error("a connection that nobody takes changes nothing")
	}
	if g.empty(); g.starved != 0 {
		t.Error("starved with an empty queue")
	}
	alone := &Loop{}
	if d := g.accepted(alone); d != 0 {
		t.Errorf("a worker without siblings stands aside for %v", d)
	}
}

func TestBackOff(t *testing.T) {
	var text strings.Builder
	ls := &listener{loop: &Loop{config: Config{Log: log.New(&text, "", 0)}}}
	var g gate
	for want := brokenMin; want < brokenMax; want *= 2 {
		if d := g.broken(ls, syscall.EMFILE); d != want {
			t.Errorf("back-off %v, want %v", d, want)
		}
	}
	for range 3 {
		if d := g.broken(ls, syscall.EMFILE); d != brokenMax {
			t.Errorf("back-off %v, want %v", d, brokenMax)
		}
	}
	if n := strings.Count(text.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, text.String())
	}
	g.mended()
	if d := g.broken(ls, syscall.EMFILE); d != brokenMin {
		t.Errorf("after it was mended: %v", d)
	}
}
