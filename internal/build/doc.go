// Package build turns a Go package into a program, once for each generation.
//
//	before command -> go build -buildvcs=false FLAGS PACKAGE -> DIR/shop-PID-GENERATION
//	                                                              |
//	                     Retire(generation) -> removed when two newer ones are there
//
// The compiler runs in the application's folder, as the application's user, in a
// process group of its own that is killed when the context ends. A program that a
// worker may still be started from is never removed.
//
// The package starts no goroutine; a [Builder] may be used from several.
package build
