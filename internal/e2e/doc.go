// Package e2e tests appd as its users meet it: real web servers in front of a
// real appd, with an application that can be told to do anything.
//
//	client --> nginx, HAProxy, Apache, lighttpd, Caddy --> appd --> app
//	  |             one per program, all its fronts          |        |
//	  '-- what came back                        its log ----'        '-- what it saw,
//	                                                                     as files
//
// A front is a program with one way to speak to appd: NF is nginx with
// fastcgi_pass, NK the same with connections kept. A cell is one thing that must
// hold behind a front. Load tests do something to appd while bounded clients
// count every request that fails; the number they want is zero.
//
// A missing program fails the tests that need it, unless APPD_TEST_SKIP names it.
// Everything listens on free ports of the loopback or on sockets in a temporary
// folder. The package has tests only; each owns the processes that it starts.
package e2e
