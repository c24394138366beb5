// Package control is how the verbs of the command line talk to a running appd: a
// Unix socket named control in its run folder.
//
//	client                              server
//	peer's uid is ours or root's?
//	  {"verb":"reload"}        ------>    peer's uid is ours or root's?
//	                                      Handler
//	  {"status":1,"error":..}  <------
//
// One request and one answer, each one line of JSON, then the connection ends. The
// end of a connection without an answer means that appd ended meanwhile.
//
// [Server.Serve] owns a goroutine for each connection and waits for them.
package control
