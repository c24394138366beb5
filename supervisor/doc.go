// Package supervisor runs an application's workers: it binds the sockets, spawns,
// watches, reloads, scales, explains each death, and never reads a request.
//
//	signals, control socket          processes (one reaper each, two readers,
//	             \                   /       one that writes the control socket)
//	              +--> inbox --> loop <-- timers, each for one (worker, epoch)
//	                              |
//	               table[state][event] -> next state, action
//
// A worker is in one of five states; the table in table.go is the whole truth, and a
// test compares it with this picture:
//
//	starting: ready>ready exit>waiting end>gone drain>draining hurry>draining kill>draining
//	ready:    hard>draining alone>draining silent>draining resign>draining timer>draining exit>waiting end>gone drain>draining hurry>draining kill>draining
//	draining: end>gone
//	waiting:  timer>starting drain>gone hurry>gone kill>gone
//	gone:
//
// Reason says why a worker left, apart from the state. While one worker replaces
// another both have the same slot; the younger one sends the elder away when it is
// ready. What this package promises:
//
//   - Only the loop assigns a state, sends a signal, binds or closes a listener.
//     Actions leave further events to the loop.
//   - A message or an alarm of an earlier process, or an earlier setting, is dropped.
//   - The loop never waits: not for the log, a hook, a build, a worker that does not
//     read, or the kernel.
//   - No process is signalled by a number that could be somebody else's.
//   - A generation that does not come up changes nothing.
//   - Listeners stay bare descriptors and O_NONBLOCK (but for fastcgi programs, which
//     need the opposite); nothing but a worker ever accepts.
//
// Run starts the loop, the journal (which writes the log, so that nobody else waits
// for it), the spawner (the thread that forks) and, for each process, its reaper and
// its readers; it returns when all of them have ended, or hang in the kernel for ten
// seconds after everything else. The successor of an upgrade is the only child that
// outlives it, and the keeper ends programs that have no control socket if this process
// is killed.
package supervisor
