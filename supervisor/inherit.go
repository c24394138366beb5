// Descriptors that a child inherits.

package supervisor

import (
	"github.com/appd-server/appd/internal/handoff"
)

// inheritance is the list of descriptors of a child, by their number there. owned
// are closed here once the child has them.
type inheritance struct {
	files []int
	owned []int
}

// own adds a descriptor that is the child's alone and returns its number there.
func (h *inheritance) own(fd int) int {
	h.owned = append(h.owned, fd)
	return h.lend(fd)
}

// lend adds a descriptor that stays open here.
func (h *inheritance) lend(fd int) int {
	h.files = append(h.files, fd)
	return len(h.files) - 1
}

func (h *inheritance) uintptrs() []uintptr {
	list := make([]uintptr, len(h.files))
	for i, fd := range h.files {
		list[i] = uintptr(fd)
	}
	return list
}

func (h *inheritance) close() {
	handoff.CloseFDs(h.owned)
	h.owned = nil
}
