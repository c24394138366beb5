// What makes a refused request too big.

package cgi

import (
	"fmt"
	"strings"
)

// Biggest collects the three biggest variables of a request that is refused for
// its size, because "too big" alone helps nobody: it is nearly always one cookie.
type Biggest struct {
	top [4]sized // descending; the last place is for the newcomer
}

type sized struct {
	name string
	size int64
}

// Add offers a variable, size being the bytes of its name and value.
func (b *Biggest) Add(name []byte, size int64) {
	if size <= b.top[2].size {
		return
	}
	b.top[3] = sized{string(name), size}
	for i := 3; i > 0 && b.top[i].size > b.top[i-1].size; i-- {
		b.top[i], b.top[i-1] = b.top[i-1], b.top[i]
	}
}

// String lists them, biggest first: `"HTTP_COOKIE" 9000 bytes, "HTTP_X" 12 bytes`.
func (b *Biggest) String() string {
	var sb strings.Builder
	for i, s := range b.top[:3] {
		if s.size == 0 {
			break
		}
		if i > 0 {
			sb.WriteString(", ")
		}
		fmt.Fprintf(&sb, "%.60q %d bytes", s.name, s.size)
	}
	return sb.String()
}
