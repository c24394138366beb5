// With the tag `races` the engine pauses where two threads could pass each other,
// for tests that want them to.

//go:build races

package main

// #cgo CFLAGS: -DAPPD_RACE_MS=300
import "C"
