// The engine's version, which equals that of the appd it was built with.

package main

import "C"

import "runtime/debug"

// Version is set by the build (-ldflags -X); without it the module's own counts.
var Version string

//export appd_version
func appd_version() *C.char {
	if Version == "" {
		if info, ok := debug.ReadBuildInfo(); ok {
			Version = info.Main.Version
		}
	}
	return C.CString(Version)
}
