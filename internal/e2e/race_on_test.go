// With the race detector appd and the application are built with it too.

//go:build race

package e2e

const racing = true
