// Package golden reads and writes golden packets: what real front servers sent,
// kept as annotated hex beside the tests of the codecs.
//
//	nginx 1.22.1, fastcgi_pass, a GET           <- who sent it, and set up how
//	-- wire.hex --
//	01 01 0001 0008 00 00  # BEGIN_REQUEST 1    <- bytes, a comment per field
//	0001 00 0000000000     # responder
//	-- request --
//	request 1: length 0, keep false             <- what has to come of them
//	REQUEST_METHOD: GET
//
// Only tests and the command capture, which records such packets, import it.
package golden
