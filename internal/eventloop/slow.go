// Slow requests: a line, with the stack, while one is still running, and another
// when it has ended.

//go:build linux

package eventloop

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/appd-server/appd/internal/accesslog"
)

const (
	slowLines = 20       // a second; more are counted only
	dumpSize  = 4 << 20  // of all stacks, where the one of a slow request is sought
	stackSize = 16 << 10 // of what is shown of it
)

// slow finds requests that take longer than slow_request.
type slow struct {
	limit time.Duration     // 0 = nobody asked
	tell  func(text string) // from a goroutine of its own

	found []laggard // by the sweep at hand; the sweeper's own

	mu     sync.Mutex // guards what follows
	second int64
	told   int // lines in that second
	missed int // further ones
}

// laggard is a slow request that still runs.
type laggard struct {
	x    *Exchange
	text string
}

// looks says whether x is too slow; the caller holds its connection's lock.
func (s *slow) looks(x *Exchange, now int64) bool {
	return s.limit > 0 && !x.apart && x.used(now) > s.limit
}

// running notes that x is slow, once.
func (s *slow) running(x *Exchange, now int64) {
	if !x.slow && x.handed && !x.ended && s.looks(x, now) {
		x.slow = true
		s.found = append(s.found, laggard{x, "slow request, still running: " + x.summary(0, now)})
	}
}

// report tells of what a sweep has found.
func (s *slow) report(now int64) {
	if len(s.found) == 0 {
		return
	}
	dump := make([]byte, dumpSize)
	dump = dump[:runtime.Stack(dump, true)]
	for i, l := range s.found {
		if stack := stackOf(dump, l.x); len(stack) > 0 {
			l.text += "\n" + string(stack)
		}
		s.say(l.text, now)
		s.found[i] = laggard{}
	}
	s.found = s.found[:0]
}

// ended tells of a slow request that has ended.
func (s *slow) ended(x *Exchange, status int, now int64) {
	if s.looks(x, now) {
		s.say("slow request: "+x.summary(status, now), now)
	}
}

// say tells a text, unless there were too many within this second.
func (s *slow) say(text string, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now / int64(time.Second); second != s.second {
		if s.missed > 0 {
			text = fmt.Sprintf("%s\n(and %d more lines about slow requests)", text, s.missed)
		}
		s.second, s.told, s.missed = second, 0, 0
	}
	if s.told++; s.told > slowLines {
		s.missed++
		return
	}
	go s.tell(text)
}

// summary is the request in words.
func (x *Exchange) summary(status int, now int64) string {
	e := x.entry(status, now)
	e.Took = x.used(now)
	return accesslog.Summary(&e)
}

// stackOf finds the goroutine that serves x in a dump of all: the one in which
// Loop.serve has x as its argument.
func stackOf(dump []byte, x *Exchange) []byte {
	frame := fmt.Appendf(nil, "eventloop.(*Loop).serve(%p, %p)", x.conn.loop, x)
	for stack := range bytes.SplitSeq(dump, []byte("\n\n")) {
		if i := bytes.Index(stack, frame); i >= 0 {
			stack = stack[:bytes.LastIndexByte(stack[:i], '\n')+1] // what is below is ours
			return bytes.TrimSpace(stack[:min(len(stack), stackSize)])
		}
	}
	return nil
}
