// Command app is the application of the tests behind real fronts. Its paths do
// what well and badly behaved applications do; what happened to a request that
// got no answer is written to files in the folder E2E_DIR, because any worker may
// have had it.
package main
