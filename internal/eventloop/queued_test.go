//go:build linux

package eventloop

import (
	"testing"
	"time"
)

func TestTimeInFrontOfUs(t *testing.T) {
	now := time.Unix(1795229000, 500e6)
	const ms = time.Millisecond
	for value, want := range map[string]time.Duration{
		"t=1795229000.250":        250 * ms, // nginx
		"1795229000.2":            300 * ms,
		"t=1795229000":            500 * ms,
		"1795229000250":           250 * ms, // milliseconds
		"t=1795229000250000":      250 * ms, // microseconds, Apache
		"1795229000250000000":     250 * ms,
		"t=1795229001.000":        0, // the front's clock is ahead
		"t=1795220000":            0, // hours
		"":                        0,
		"t=":                      0,
		"t=now":                   0,
		"t=-1795229000":           0,
		"t=1795229000.2x":         0,
		"99999999999999999999999": 0,
		"9223372036854775807":     0,
		"0":                       0,
	} {
		if got := sinceFront(value, now); got != want {
			t.Errorf("sinceFront(%q) = %v, want %v", value, got, want)
		}
	}
}

func FuzzTimeInFrontOfUs(f *testing.F) {
	f.Add("t=1795229000.250")
	f.Fuzz(func(t *testing.T, value string) {
		if d := sinceFront(value, time.Unix(1795229000, 0)); d < 0 || d > longestQueue {
			t.Errorf("sinceFront(%q) = %v", value, d)
		}
	})
}
