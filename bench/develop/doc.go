// Command develop measures what a developer waits for: the time from saving a
// file to the first answer of the new code, and the requests that fail meanwhile.
//
//	save --> tool notices --> build or import --> new code answers
//	   '------------------- measured -------------------'
//	   client asks every 5 ms: an error in between is counted
//
// Each tool runs the same tree in turn. Tools that are not installed are left out
// and named. Everything stays on the loopback; no process of a tool outlives its round.
package main
