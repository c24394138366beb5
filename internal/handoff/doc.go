// Package handoff is the contract between the supervisor and a worker: what a
// worker inherits, what the two say to each other, and the page of memory in
// which the worker shows what it is doing.
//
//	supervisor                                     worker
//	    | fork, exec: APPD_HANDOFF, descriptors ---> |
//	    |                                            | loads the application
//	    | <--------------------------------- ready   |
//	    | drain, stop, reopen, adopt, dump --------> |   fd 3: SOCK_SEQPACKET,
//	    | <---------------- draining, note, passed   |   one JSON message a packet
//	    |                                            |
//	    | reads  <== memfd scoreboard ==  writes     |   no system call
//
// End-of-file on the control socket means that the other side died. A worker
// whose supervisor vanished closes its listeners at once, finishes its requests
// and leaves.
//
// An application links the server package of its own go.mod, so both sides carry
// a contract version: the supervisor serves [Version] and the one before it and
// fails the boot of any other, naming both sides.
//
// The scoreboard is a memfd for each worker process, sealed against resizing. Only
// its worker writes it ([Board]); the supervisor maps it for reading ([View]) and
// trusts nothing that stands there:
//
//	| layout, state, heartbeat | gauges | counters, histograms |   one page
//	| row | row | row | ...    requests in flight, used last in, first out
//
// Each value is one word, written atomically; a row is guarded by a sequence number
// that is odd while the row is being filled, so that nobody reads half of one.
//
// The package starts no goroutine. It depends on the standard library and
// golang.org/x only: it is part of every application.
package handoff
