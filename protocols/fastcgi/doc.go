// Package fastcgi speaks FastCGI 1.0 in the responder role: a server codec for
// the event loop, and a small client for tests and probes.
//
// A connection carries records, any number of requests interleaved:
//
//	01 01 0001 0008 00 00  0001 01 0000000000    BEGIN_REQUEST id 1, responder, keep the connection
//	01 04 0001 0019 07 00  0e 03 REQUEST_METHOD GET ...    PARAMS
//	01 04 0001 0000 00 00                        PARAMS ends: the request is handed out
//	01 05 0001 0000 00 00                        STDIN ends: its body is complete
//	-- and back --
//	01 06 0001 0020 00 00  Status: 200 OK ...    STDOUT, head and body
//	01 06 0001 0000 00 00                        STDOUT ends
//	01 03 0001 0008 00 00  00000000 00 000000    END_REQUEST, the id is free again
//
// What holds for the server codec:
//
//   - An id is active from BEGIN_REQUEST to our END_REQUEST. Records for any other
//     id are skipped, so an answer may be given before its request has arrived in
//     full.
//   - Every request that can be told from the bytes gets a complete answer with a
//     Status; a bare END_REQUEST is sent only to a request for another role
//     (UNKNOWN_ROLE) and for one that the front aborted. HAProxy waits for its timeout
//     otherwise, and Apache makes it an empty 200.
//   - More requests are served at a time than a front is told to send, also with
//     multiplexing off: HAProxy forgets requests whose client has left, and says so
//     only while it is still sending them.
//   - STDIN's end frames the body. CONTENT_LENGTH only says what to expect: bytes
//     beyond it are dropped, a body short of it is io.ErrUnexpectedEOF.
//   - Params are bounded per request and per connection, requests per connection.
//     Between requests a codec holds no buffer.
//   - The codec does no I/O, takes no lock, starts no goroutine and is called by
//     one goroutine at a time. Only the function Do, which is not part of it,
//     touches a connection.
//
// The specification is https://fastcgi-archives.github.io/FastCGI_Specification.html.
package fastcgi
