// Package chunks finds the data in a chunked body (RFC 9112 section 7.1), of an
// HTTP request or answer, or behind a uwsgi packet of a router that passes bodies on
// as they come.
//
//	5;ext=1 CR LF hello CR LF 0 CR LF Sum: x CR LF CR LF
//	\-------Scan-------/\---/\------------Scan-------------/
//	                   Left, Took                        Done
//
// It is strict, because two parsers that disagree about where a body ends can be made
// to smuggle a request, and it keeps nothing but the beginning of a trailer's line.
// There is no I/O and no goroutine in here.
package chunks
