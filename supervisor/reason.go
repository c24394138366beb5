// Why a worker ends, apart from the state it is in.

package supervisor

// Reason says why a worker left, is leaving or has to wait.
type Reason string

// The reasons.
const (
	None        Reason = ""
	Crashed     Reason = "crashed"      // ended by itself after it was ready
	Left        Reason = "left unasked" // began to leave, and nobody here had told it to
	BootFailed  Reason = "boot failed"  // ended, or said so, before it was ready
	BootTimeout Reason = "boot timeout" // not ready in time
	TimedOut    Reason = "timed out"    // a request was stuck
	Silent      Reason = "no heartbeat" // stopped or wedged as a whole
	MaxRequests Reason = "max requests"
	MaxAge      Reason = "max age"
	MaxMemory   Reason = "max memory"
	Outdated    Reason = "socket replaced" // has one whose file vanished
	Reloaded    Reason = "reload"
	Abandoned   Reason = "reload refused" // belonged to a generation that did not come up
	ScaledDown  Reason = "scaled down"
	Stopped     Reason = "stopped"
	Upgraded    Reason = "upgraded"
	Killed      Reason = "killed from outside"
	OutOfMemory Reason = "out of memory"
)
