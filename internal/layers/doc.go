// Package layers holds the rules of the repository that a compiler does not
// check, as tests: who may import whom, what a worker may depend on, and that
// every package explains itself.
//
//	cmd/appd --> everything
//	supervisor --> handoff             (never server, protocols, config)
//	nginx --> nothing of ours
//	server --> eventloop, protocols, handoff, accesslog
//	eventloop --> protocols, handoff, accesslog
//	protocols/* --> protocols/* only; the codecs without net/http
//
// It has no code beside its tests and starts nothing.
package layers
