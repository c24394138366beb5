// Package cgi holds what every protocol codec agrees on: the head of a request
// as CGI-style variables, the head of an answer, and the [Codec] that turns
// bytes into the one and the other into bytes.
//
//	bytes --> Codec.Feed --> Sink.Head, Sink.Body, Sink.End     (a request)
//	                              |
//	             Head.Facts, Facts.Path   method, addresses, path
//	             Head.AppendFields        header fields, as Go names them
//	             Head.Environ             CGI variables, as PEP 3333 wants them
//	bytes <-- Codec.AppendAnswer <-- AnswerHead, body, end      (its answer)
//
// A codec is a pure state machine. It does no I/O, starts no goroutine, takes no
// lock, writes no log and reads no configuration but its [Limits]; package
// eventloop moves the bytes, packages fastcgi, uwsgi and http1 implement it.
//
// A [Head] keeps what was on the wire. The views of it apply the rules that make
// real fronts agree: duplicates are joined, what may not reach an application is
// left out, and the path is the one that the front authorised, decoded once.
//
// The package depends on neither net/http nor the rest of the project, because
// it is also part of the engine that is loaded into foreign interpreters.
package cgi
