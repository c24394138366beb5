// The buffer of whole lines in front of the descriptor.

package accesslog

import (
	"bytes"
	"sync"
)

const (
	flushSize = 32 << 10 // a buffer of that size is written
	keepSize  = 1 << 20  // what is kept while nobody reads; more is dropped
)

// Worker is the process that the lines are of.
type Worker struct {
	Slot, Generation, PID int
}

// Log is the access log of one worker. A nil Log is a log that is switched off.
type Log struct {
	format *Format // immutable
	worker Worker  // immutable

	mu      sync.Mutex // guards what follows; never held while writing
	lines   []byte     // whole lines that wait
	stamp   stamp
	found   found
	dropped int
	stalled bool // the descriptor took no more; the next tick tries again

	writing sync.Mutex // held while writing; guards what follows
	sink    sink
	spare   []byte // the other buffer
}

// New makes a log that writes to fd, which it owns from now on. Without a
// descriptor (0 or less) there is no log: the result is nil.
func New(fd int, f *Format, w Worker, mono int64) *Log {
	if fd <= 0 {
		return nil
	}
	l := &Log{format: f, worker: w, sink: newSink(fd)}
	l.stamp.sync(mono)
	return l
}

// Enabled says whether lines are written, for those who have to collect an entry.
func (l *Log) Enabled() bool { return l != nil }

// Append adds the line of e, whose empty texts it fills in. It costs no allocation,
// and a write(2) only when the buffer is full.
func (l *Log) Append(e *Entry) {
	if l == nil {
		return
	}
	e.complete()
	l.mu.Lock()
	full := l.append(e)
	l.mu.Unlock()
	if full && l.writing.TryLock() {
		l.flush()
		l.writing.Unlock()
	}
}

func (l *Log) append(e *Entry) (full bool) {
	if len(l.lines) >= keepSize {
		l.dropped++
		return false
	}
	l.format.wants.find(e.Head, &l.found)
	l.stamp.at(e.End)
	if l.format.json {
		l.lines = l.format.jsonLine(l.lines, e, &l.found, &l.stamp, &l.worker)
	} else {
		l.lines = l.format.line(l.lines, e, &l.found, &l.stamp, &l.worker)
	}
	l.found.forget()
	return len(l.lines) >= flushSize && !l.stalled
}

// Tick writes what waits and compares the clocks; mono is CLOCK_MONOTONIC in
// nanoseconds. Its caller does so about once a second.
func (l *Log) Tick(mono int64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.stamp.sync(mono)
	l.mu.Unlock()
	l.Flush()
}

// Flush writes what waits, as far as the descriptor takes it without waiting.
func (l *Log) Flush() {
	if l == nil {
		return
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.flush()
}

// Reopen writes what waits and goes on with fd, which it owns from now on.
func (l *Log) Reopen(fd int) {
	if l == nil {
		return
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.flush()
	l.sink.close()
	l.sink = newSink(fd)
}

// Dropped is the number of lines that were lost because nobody read them or the
// disk was full.
func (l *Log) Dropped() int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// flush takes the lines and writes them; the caller holds writing.
func (l *Log) flush() {
	l.mu.Lock()
	lines := l.lines
	l.lines = l.spare[:0]
	l.mu.Unlock()

	rest, lost := l.sink.write(lines)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalled = len(rest) > 0 && !lost
	if l.stalled {
		lines, l.lines = l.lines, append(append(lines[:0], rest...), l.lines...)
	} else {
		l.dropped += bytes.Count(rest, []byte{'\n'})
	}
	l.spare = lines
}
