// Package http1 is the codec for HTTP/1.0 and HTTP/1.1 as a front speaks it to an
// application server, strict because two parsers that disagree about where a
// request ends can be made to smuggle one.
//
//	        .--------------------- next request ----------------------.
//	        v                                                         |
//	(preamble) --> head --> body: none | n bytes | chunks --> (answer ended)
//	                 |                                            |
//	                 '--> 400 414 417 431 501 505, closed         '--> closed, tunnel
//
// What it refuses, among more: Content-Length beside Transfer-Encoding, any coding
// but one chunked, lengths that are not digits or come twice, bare LF, folded
// fields, a space before the colon, control bytes, a second Host or Content-Type,
// HTTP/1.1 without Host, targets of the wrong form for their method.
//
// What it hides from applications: fields with an underscore in their name (they
// would become the same CGI variable as another field), trailers, and what a peer
// that nobody trusts says about the client (X-Forwarded-*, Forwarded, X-Real-IP).
//
// Requests are answered one at a time: the second of two pipelined heads is looked
// at when the answer to the first has ended. HTTP/1.0 gets no chunks. After a 101
// the connection is a tunnel, and the codec passes bytes through.
//
// There is no I/O, no goroutine and no clock in here; a Codec belongs to whoever
// holds its connection. An idle one holds no buffer. The rules are those of RFC
// 9110 and 9112 where they leave no choice; each further one says why.
package http1
