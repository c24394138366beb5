// Package ports gives tests TCP ports of the loopback that nobody else takes.
//
//	a block of 100, locked by a name that one process can have --> the next one that can be bound
//
// A port that the kernel chose (by listening on port 0) and that was closed again is
// free for everybody: it may become the near end of any client's connection, or the
// choice of another test, before the server under test binds it. The ports here lie
// below those that the kernel gives out, and each process that runs tests has blocks
// of its own.
//
// It is for tests only, starts nothing, and leaves no files.
package ports
