// Command engine is appd inside a Python interpreter: the event loop, the codecs
// and the control channel of package server, as the extension module appd_engine.
//
//	CPython                        C (shim)                     Go (this package)
//	bootstrap: start, ready  --->  module.c  ---------------->  worker: handoff, loop
//	run(): a thread          --->  threads.c: epoll_wait  --->  appd_turn: accept, read, feed
//	application(environ, s)  <---  serve.c, environ.c    <---   a request's variables
//	start_response, chunks   --->  answer.c              --->   appd_answer: one write
//	                               module.c: obey        <---   control: dump, profile, hooks
//
// It is built with -buildmode=c-shared as appd_engine.abi3.so. The C side uses
// CPython's stable ABI only and declares it itself (python.h), so the one file
// works with every CPython since 3.9 and needs no headers of it.
//
// Invariants: Go never calls into Python and never blocks a thread that holds the
// GIL; C hands Go no pointer that Go keeps after the call; a request is known to C
// by a number (package table), so a late call on a finished one does nothing.
//
// Goroutines: one reads the control channel; one a drain; for gevent, one for each
// client that is waited for. They live as long as the process.
//
// PEP 3333 is the contract with the application.
package main
