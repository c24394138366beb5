// Package protocols turns the head of a request that any codec decoded into the
// *http.Request that a Go handler gets.
//
//	FastCGI params --.
//	uwsgi vars -------+--> cgi.Head --> NewRequest --> *http.Request
//	HTTP fields -----'                     Params(r) --> the params, vars, ...
//
// A handler cannot tell by the request which protocol brought it, but for what the
// protocol cannot carry. Its path is the one that the front authorised, decoded
// once and never again; its header has every field once, with duplicates joined.
//
// The package does no I/O and starts no goroutine. It is the only one of the
// protocols that knows net/http.
package protocols
