// Package detect tells the protocols apart by the first bytes of a connection.
//
//	first byte   what it is
//	0x01         FastCGI, when the second is a record type
//	0x00 0x1e .. uwsgi: a modifier that the protocol has assigned
//	A-Z          an HTTP method, or the PROXY preamble before one
//	0x0d         the PROXY preamble, version 2
//	0x16 0-9 ..  TLS, SCGI and others that are only named
//
// It never allocates, never needs more than 16 bytes to be sure, and does not
// validate: the codec that it leads to does.
package detect
