// appd's own log: hclog, into a file that can be opened anew, or to stderr.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/supervisor"
)

// logFile is the writer under the log: a file that USR1 opens again, or stderr. A write
// that does not get on holds up other writes, and nothing else.
type logFile struct {
	writing  sync.Mutex
	to       atomic.Pointer[target]
	also     atomic.Pointer[waitingParent] // reads along until we are ready
	terminal bool                          // stderr is one

	losses losses // guarded by writing
}

// losses is what could not be written: because the disk is full, or the reader of a pipe
// has gone.
type losses struct {
	lines  int
	why    error
	torn   bool // the last line is half there
	mended bool // a later one was written
}

// target is where the log goes.
type target struct {
	path string
	file *os.File
}

// openLog opens the error log of a configuration.
func openLog(c *config.Config) (*logFile, error) {
	f := &logFile{terminal: isTerminal(os.Stderr)}
	f.to.Store(&target{"-", os.Stderr})
	return f, f.open(c.ErrorLog)
}

// Write implements io.Writer.
func (f *logFile) Write(p []byte) (int, error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	if parent := f.also.Load(); parent != nil {
		parent.Write(p) // which may have given up; the log goes on
	}
	n, err := f.write(p)
	if f.losses.mended = err == nil; err != nil {
		f.losses.lines++
		f.losses.why, f.losses.torn = err, n > 0 || f.losses.torn
	}
	return n, err
}

// write writes a line, into the next file if somebody opens that meanwhile.
func (f *logFile) write(p []byte) (n int, err error) {
	for {
		to := f.to.Load()
		if f.terminal && to.file == os.Stderr {
			// Before and not after the first TTOU: it would also hit a child that is on its way
			// to becoming a worker, stop it there, and us with it.
			supervisor.KeepWriting(false)
		}
		if f.losses.torn {
			if _, err := to.file.Write([]byte{'\n'}); err != nil {
				return 0, err
			}
			f.losses.torn = false
		}
		if n, err = to.file.Write(p); n > 0 || !errors.Is(err, os.ErrClosed) || f.to.Load() == to {
			return n, err
		}
	}
}

// Lost is how many lines could not be written, and why, since it was last asked. They are
// told when there is room to tell them.
func (f *logFile) Lost() (lines int, why error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	if !f.losses.mended {
		return 0, nil
	}
	lines, why = f.losses.lines, f.losses.why
	f.losses.lines, f.losses.why = 0, nil
	return lines, why
}

// Reopen opens the file again, after logrotate has moved it away.
func (f *logFile) Reopen() error { return f.open(f.to.Load().path) }

// open goes on in the file at path, or on stderr for "-".
func (f *logFile) open(path string) error {
	next := &target{path, os.Stderr}
	if path != "-" {
		fd, err := supervisor.OpenLog(path)
		if err != nil {
			return fmt.Errorf("errorlog: %s: %w", path, err)
		}
		next.file = os.NewFile(uintptr(fd), path)
	}
	if old := f.to.Swap(next); old.file != os.Stderr {
		old.file.Close()
	}
	return nil
}

// toFile tells whether the log goes to a file.
func (f *logFile) toFile() bool { return f.to.Load().path != "-" }

// tee sends a copy of everything to parent; nil ends that.
func (f *logFile) tee(parent *waitingParent) { f.also.Store(parent) }

// newLog makes the log of a configuration. What it writes goes through a sink, so
// that a reload can change level and form under loggers that others hold.
func newLog(c *config.Config, out *logFile) *appLog {
	logger := func() hclog.InterceptLogger {
		return hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "appd", Output: io.Discard})
	}
	l := &appLog{InterceptLogger: logger(), output: logger(), out: out}
	l.apply(c)
	return l
}

// appLog is appd's log.
type appLog struct {
	hclog.InterceptLogger
	output hclog.InterceptLogger // for what applications print: loglevel does not silence it
	out    *logFile
	sinks  [2]hclog.SinkAdapter // what writes at present: appd's own words, and output
}

// apply puts the log settings of a configuration into force.
func (l *appLog) apply(c *config.Config) {
	options := &hclog.LoggerOptions{
		Level:      logLevel(c.LogLevel),
		Output:     l.out,
		JSONFormat: c.LogFormat == "json",
	}
	if c.ErrorLog == "-" && isTerminal(os.Stderr) && os.Getenv("NO_COLOR") == "" {
		options.Color, options.ColorHeaderOnly = hclog.ForceColor, true
	}
	if c.Reload && c.LogLevel == "info" {
		options.Exclude = alreadyTold
	}
	l.SetLevel(options.Level)
	for i, logger := range []hclog.InterceptLogger{l.InterceptLogger, l.output} {
		next := hclog.NewSinkAdapter(options)
		logger.RegisterSink(next)
		if l.sinks[i] != nil {
			logger.DeregisterSink(l.sinks[i])
		}
		l.sinks[i] = next
		options.Level = hclog.Info
	}
}

// logLevel maps gunicorn's names; hclog has nothing above error.
func logLevel(name string) hclog.Level {
	switch name {
	case "debug":
		return hclog.Debug
	case "warning":
		return hclog.Warn
	case "error", "critical":
		return hclog.Error
	}
	return hclog.Info
}
