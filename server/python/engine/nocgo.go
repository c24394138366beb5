// Without cgo there is no engine, but the rest of the repository still builds.

//go:build !cgo

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "engine: build it with CGO_ENABLED=1, a C compiler and -buildmode=c-shared")
	os.Exit(2)
}
