// The log as the loop may use it: never blocking, in one order with the workers'
// output.

package supervisor

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	journalRoom = 4096        // entries that wait for the log's file
	patience    = time.Second // of a worker's output with a log that does not move
)

// journal stands between those who log and a log that may be slow or stuck. The
// loop never waits for it; a worker's output waits while the log moves, so that a
// flood is slowed down instead of lost.
type journal struct {
	entries chan entry
	quit    chan struct{}
	ended   chan struct{}
	to      atomic.Pointer[destinations]
	moved   atomic.Int64 // entries written
	dropped atomic.Int64
}

// destinations is where entries go: those that have a level, and those that have none;
// and who knows how many did not arrive.
type destinations struct {
	own, output hclog.Logger
	lost        func() (int, error)
}

type entry struct {
	level hclog.Level // NoLevel: a line that an application printed
	text  string
	keys  []any
}

func newJournal(c *Config) *journal {
	j := &journal{entries: make(chan entry, journalRoom), quit: make(chan struct{}), ended: make(chan struct{})}
	j.use(c)
	return j
}

// use writes to the logs of c from now on.
func (j *journal) use(c *Config) { j.to.Store(&destinations{c.Log, c.Output, c.LogLost}) }

func (j *journal) Debug(text string, keys ...any) { j.say(hclog.Debug, text, keys) }
func (j *journal) Info(text string, keys ...any)  { j.say(hclog.Info, text, keys) }
func (j *journal) Warn(text string, keys ...any)  { j.say(hclog.Warn, text, keys) }
func (j *journal) Error(text string, keys ...any) { j.say(hclog.Error, text, keys) }

// say logs without waiting.
func (j *journal) say(level hclog.Level, text string, keys []any) {
	select {
	case j.entries <- entry{level, text, keys}:
	default:
		j.dropped.Add(1)
	}
}

// relay logs a worker's output. It waits for room as long as the log moves.
func (j *journal) relay(level hclog.Level, text string, keys []any) {
	e := entry{level, text, keys}
	for {
		select {
		case j.entries <- e:
			return
		default:
		}
		if j.dropped.Load() > 0 {
			break // it is stuck already
		}
		moved := j.moved.Load()
		timer := time.NewTimer(patience)
		select {
		case j.entries <- e:
			timer.Stop()
			return
		case <-j.ended:
			timer.Stop()
			return
		case <-timer.C:
		}
		if j.moved.Load() == moved {
			break
		}
	}
	j.dropped.Add(1)
}

// run writes until close. It is the only writer.
func (j *journal) run() {
	defer close(j.ended)
	for {
		select {
		case e := <-j.entries:
			j.write(e)
		case <-j.quit:
			for {
				select {
				case e := <-j.entries:
					j.write(e)
				default:
					return
				}
			}
		}
	}
}

func (j *journal) write(e entry) {
	to := j.to.Load()
	if e.level == hclog.NoLevel {
		to.output.Info(e.text, e.keys...)
	} else {
		to.own.Log(e.level, e.text, e.keys...)
	}
	j.moved.Add(1)
	if n := j.dropped.Swap(0); n > 0 {
		to.own.Warn("the log is too slow, lines were dropped", "lines", n)
	}
	if to.lost == nil {
		return
	}
	if n, why := to.lost(); n > 0 {
		to.own.Warn("lines could not be written to this log", "lines", n, "error", why)
	}
}

// close writes what is left; a log that is stuck gets a second.
func (j *journal) close() {
	close(j.quit)
	select {
	case <-j.ended:
	case <-time.After(patience):
	}
}

// level reads the name of a level as programs write it.
func level(name string) hclog.Level {
	switch name {
	case "trace", "TRACE":
		return hclog.Trace
	case "debug", "DEBUG":
		return hclog.Debug
	case "warn", "WARN", "warning", "WARNING":
		return hclog.Warn
	case "error", "ERROR", "err", "critical", "CRITICAL", "fatal", "FATAL", "panic", "PANIC", "alert", "emergency":
		return hclog.Error
	}
	return hclog.Info
}
