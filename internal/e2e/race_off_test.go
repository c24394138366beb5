// Without the race detector.

//go:build !race

package e2e

const racing = false
