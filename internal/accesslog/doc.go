// Package accesslog writes one line for each request, in gunicorn's format
// language or as JSON.
//
//	"%(h)s %(t)s \"%(r)s\" %(s)s"  --Compile-->  [h] " " [t] " \"" [r] "\" " [s]
//
//	event loop --Append(Entry)--> | whole lines | --write(2)--> descriptor
//	                               a full buffer, a tick, Flush
//
// The format is compiled once into a list of steps; a line costs no allocation and
// no system call. Lines of several workers meet in one file: each write takes whole
// lines only, a file opened with O_APPEND takes each write as a whole, and anything
// else gets at most as much at a time as a pipe takes as a whole.
//
// Nothing that a client sends can forge a line or a column: quotes, backslashes,
// control characters and bytes above 0x7e are written as escapes, blanks too where
// the format does not quote the value.
//
// Writing never waits for whoever reads: of a pipe that is full the lines are kept,
// up to a bound, and then dropped and counted.
//
// The package starts no goroutine. Append may be called from any; Tick, Flush and
// Reopen too.
package accesslog
