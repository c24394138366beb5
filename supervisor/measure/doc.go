// Package measure asks the kernel what a worker and a listener cost: memory, CPU
// time, and how many connections wait to be accepted.
//
//	/proc/PID/smaps_rollup --> PSS: memory, what is shared counted by its share
//	/proc/PID/stat         --> CPU: user and system time
//	sock_diag, TCP_INFO    --> the accept queue of a Unix or TCP listener
//
// Each call is one look; nothing is kept, no goroutine is started. Reading PSS walks
// the page tables of the process: some 100 microseconds for each 100 MB.
package measure
