// How long a request has waited in front of us, where the front tells.

//go:build linux

package eventloop

import (
	"strings"
	"time"
)

// longestQueue is what a front's word is good for; more is a clock that is wrong.
const longestQueue = 10 * time.Minute

// sinceFront reads X-Request-Start: when the front passed the request on, in seconds
// (nginx: "t=$msec"), milliseconds, microseconds or nanoseconds since 1970, which
// their size tells apart. What is no such time is no wait.
func sinceFront(value string, now time.Time) time.Duration {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(value, "t="), ".")
	if len(whole) == 0 || len(whole) > 19 || len(fraction) > 9 {
		return 0
	}
	v, ok := digits(0, whole)
	ns := v
	for limit := int64(1e17); ns > 0 && ns < limit; {
		ns *= 1000
	}
	if v < 1e11 { // seconds, which may have a fraction
		f, fine := digits(0, (fraction + "000000000")[:9])
		ns, ok = ns+f, ok && fine
	}
	d := time.Duration(now.UnixNano() - ns)
	if !ok || d < 0 || d > longestQueue {
		return 0
	}
	return d
}

// digits appends decimal digits to a number.
func digits(n int64, s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
