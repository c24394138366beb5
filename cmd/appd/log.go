// appd's own log: hclog, into a file that can be opened anew, or to stderr.

package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/supervisor"
)

// logFile is the writer under the log: a file that USR1 opens again, or stderr.
type logFile struct {
	mu   sync.Mutex
	path string    // guarded by mu
	file *os.File  // guarded by mu
	also io.Writer // guarded by mu; a waiting parent reads along until we are ready

	terminal bool // stderr is one
}

// openLog opens the error log of a configuration.
func openLog(c *config.Config) (*logFile, error) {
	f := &logFile{path: "-", file: os.Stderr, terminal: isTerminal(os.Stderr)}
	return f, f.open(c.ErrorLog)
}

// Write implements io.Writer.
func (f *logFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.also != nil {
		f.also.Write(p) // the parent may have given up; the log goes on
	}
	if f.terminal && f.file == os.Stderr {
		// Before and not after the first TTOU: it would also hit a child that is on its way
		// to becoming a worker, stop it there, and us with it.
		supervisor.KeepWriting(false)
	}
	return f.file.Write(p)
}

// Reopen opens the file again, after logrotate has moved it away.
func (f *logFile) Reopen() error {
	f.mu.Lock()
	path := f.path
	f.mu.Unlock()
	return f.open(path)
}

// open goes on in the file at path, or on stderr for "-".
func (f *logFile) open(path string) error {
	file, err := os.Stderr, error(nil)
	if path != "-" {
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	}
	if err != nil {
		return fmt.Errorf("errorlog: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != os.Stderr {
		f.file.Close()
	}
	f.path, f.file = path, file
	return nil
}

// toFile tells whether the log goes to a file.
func (f *logFile) toFile() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.path != "-"
}

// tee sends a copy of everything to w; nil ends that.
func (f *logFile) tee(w io.Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.also = w
}

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
