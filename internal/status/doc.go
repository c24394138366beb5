// Package status shows what the supervisor knows: as text, as a live screen, as
// Prometheus metrics and as a page in a browser.
//
//	supervisor.Snapshot --> Text, Top              (a terminal)
//	                    --> /status                (JSON)
//	                    --> /metrics               (Prometheus)
//	                    --> /healthz, /readyz      (load balancers)
//	                    --> Sample, a ring of them (graphs of the page at /)
//
// Everything is made of two snapshots at most: counters of a snapshot never go
// back, because it carries the sum of the processes that are gone, so rates are
// differences. Texts that clients can choose are cleaned before they meet a
// terminal, and only ever become text nodes in the page.
//
// [Admin.Serve] runs until its context ends and owns the goroutine that takes a
// sample every other second; [Top] owns the one that reads keys. Nothing else is
// started.
package status
