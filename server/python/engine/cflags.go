// How the C side is compiled.

package main

/*
#cgo CFLAGS: -O2 -Wall -fvisibility=hidden -D_GNU_SOURCE
#cgo LDFLAGS: -ldl -lpthread
*/
import "C"
