// Package eventloop moves bytes between sockets and codecs, for every language
// that appd serves.
//
//	listeners --accept--> conn --read--> codec.Feed --> Exchange --> the application
//	                       |  ^                                         |
//	                       |  '---- one write, the rest kept <-- Answer-'
//	                       '-- epoll (edge-triggered; registered when somebody has to wait)
//
// A [Loop] owns one epoll descriptor per process. Who waits on it is the only
// difference between the two kinds of worker:
//
//   - Go (Config.Serve is set): Start puts the descriptor into Go's own netpoller,
//     so waiting costs no blocked thread. An [Exchange] is handed out when the head
//     of its request is complete, each to a goroutine of its own; reading its body
//     and writing its answer block that goroutine.
//   - Foreign threads (Config.Serve is nil): the program waits on [Loop.EpollFD]
//     itself and gives what it harvested to [Loop.Turn], which never blocks and
//     returns an exchange that may start, by default one whose body is complete.
//
// Invariants:
//
//   - A connection's lock guards its codec, its input and its output. No callback
//     of the configuration runs under it.
//   - Nobody waits for the application: input that it does not read stays in the
//     kernel (back-pressure), unless the output is blocked or other requests share
//     the connection; then it is kept in memory and beyond that on disk.
//   - A connection is closed only when its last answer was taken by the socket and
//     its input was consumed; otherwise it is half-closed and drained first.
//   - An idle kept connection costs a table entry: no goroutine, no buffer.
//   - A descriptor leaves epoll before it is closed.
//
// Goroutines: Start starts the sweep (timeouts, a coarse clock, GOMAXPROCS) and, for
// Go, the poller and one acceptor a listener; Close ends them all and waits. Those
// that serve requests run the application's code, are kept for the next request, and
// are waited for by [Loop.Drain].
package eventloop
