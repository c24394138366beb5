// How much garbage Go's collector lets pile up.

//go:build cgo

package main

import (
	"runtime"
	"runtime/debug"
	"time"
)

const (
	often  = 100 * time.Millisecond // between two collections: they cost more than the memory
	seldom = time.Second
	frugal = 100 // percent of what lives, and of 4 MiB
	ample  = 200
)

// pace lets more garbage pile up while collections follow each other closely, and
// less again when they do not. One costs half a millisecond, however little there
// is to keep; a worker whose requests take microseconds would pay that 20 times a
// second. With twice the garbage, 4 MiB more, it is 10 times; beyond that memory
// costs more than the time is worth.
type pace struct {
	last    time.Time
	percent int
}

// keepPace begins to watch the collections.
func keepPace() { (&pace{time.Now(), frugal}).watch() }

// watch has the next collection call collected.
func (p *pace) watch() { runtime.SetFinalizer(new([16]byte), func(*[16]byte) { p.collected() }) }

func (p *pace) collected() {
	now := time.Now()
	percent := p.percent
	switch since := now.Sub(p.last); {
	case since < often:
		percent = ample
	case since > seldom:
		percent = frugal
	}
	if p.last = now; percent != p.percent {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
	p.watch()
}
