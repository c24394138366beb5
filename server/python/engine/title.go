// The name of the process in ps and top.

package main

import "C"

import "github.com/appd-server/appd/internal/handoff"

//export appd_title
func appd_title(text *C.char) { handoff.SetTitle(C.GoString(text)) }
