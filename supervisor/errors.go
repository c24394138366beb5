// How Run and Reload fail, and the exit status that each failure means.

package supervisor

import (
	"errors"
	"fmt"
	"strings"
)

// Exit statuses of appd.
const (
	ExitFailed = 1 // it was tried and failed: address or pidfile in use, reload refused
	ExitBoot   = 3 // the application cannot boot, or nothing is running
)

// ExitStatus says with which status a program should end after err.
func ExitStatus(err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[*BootError](err); ok {
		return ExitBoot
	}
	return ExitFailed
}

// BootError says that new code did not become ready: at the first start it ends
// Run, in a reload it is the refusal.
type BootError struct {
	Reason  string   // one line: exit status 1 after 0.2s; not ready after 1m0s
	Output  []string // the application's or the compiler's last lines
	Printed bool     // Output is what the application printed: the log shows it already
}

// Error implements error with the reason only; print Output below it.
func (e *BootError) Error() string { return "the application cannot boot: " + e.Reason }

// PrepareError is what App.Prepare returns when a build failed.
type PrepareError struct {
	Reason string // one line: go build failed
	Output []string
}

// Error implements error.
func (e *PrepareError) Error() string {
	if len(e.Output) == 0 {
		return e.Reason
	}
	return e.Reason + "\n" + strings.Join(e.Output, "\n")
}

// InUseError says that somebody else holds what we need.
type InUseError struct {
	What  string // "address", "pidfile"
	Path  string
	Owner int // process id, 0 when unknown
}

// Error implements error.
func (e *InUseError) Error() string {
	if e.Owner == 0 {
		return fmt.Sprintf("%s %s is in use", e.What, e.Path)
	}
	return fmt.Sprintf("%s %s is in use by process %d", e.What, e.Path, e.Owner)
}

// ReloadError says why a reload was refused; the old generation goes on.
type ReloadError struct {
	Reason  string
	Output  []string // the new code's own last lines
	Printed bool     // the log shows Output already
	StandIn bool     // what goes on is the fallback, which shows Reason and Output
	Err     error    // what Load or Prepare returned; may be nil
}

// Error implements error.
func (e *ReloadError) Error() string { return "reload refused: " + e.Reason }

// Unwrap gives the cause.
func (e *ReloadError) Unwrap() error { return e.Err }

// ErrSuperseded is the cause of a refusal in development: a newer reload took the
// place of this one.
var ErrSuperseded = errors.New("superseded by a newer reload")

// ErrStopping is returned to requests that come while the supervisor stops.
var ErrStopping = errors.New("appd is stopping")
