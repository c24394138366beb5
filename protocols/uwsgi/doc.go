// Package uwsgi speaks the uwsgi binary protocol: a server codec for the event
// loop, and a small client for tests and probes.
//
// A connection carries one packet, then the body, then the answer, which is HTTP:
//
//	00 1800 00                                modifier1 0, 24 bytes of vars, modifier2 0
//	   0e00 REQUEST_METHOD 0300 GET ...       little endian lengths
//	hello                                     CONTENT_LENGTH bytes of body, unframed
//	-- and back --
//	HTTP/1.1 200 OK\r\n ...                   up to the end of the connection
//
// What holds for the server codec:
//
//   - One request a connection, known as request 1. What comes behind its body is
//     dropped, except where an upgrade may turn the connection into a tunnel: those
//     bytes stay with the caller.
//   - Only a decimal CONTENT_LENGTH announces a body, and, where the codec was told so
//     (Codec.Chunked), "chunked" without any length. The codec never waits for the end
//     of the connection instead: nginx keeps it open.
//   - modifier1 0 and 30 are served, 100 is a ping and answered, the languages that
//     uWSGI has plugins for are answered 501, and every other value closes the
//     connection: some of them mean "run this code".
//   - Vars are handed out and never acted upon, UWSGI_FILE and its kind included.
//   - The codec does no I/O, takes no lock, starts no goroutine and is called by
//     one goroutine at a time. Only the function Do, which is not part of it,
//     touches a connection.
//
// The protocol is described at https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html.
package uwsgi
