// Users and groups by name or number.

package accounts

import (
	"fmt"
	"math"
	"os/user"
	"strconv"
)

// User is the number of a user.
func User(name string) (int, error) {
	if id, ok := number(name); ok {
		return id, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no user %q", name)
	}
	return strconv.Atoi(u.Uid)
}

// Group is the number of a group.
func Group(name string) (int, error) {
	if id, ok := number(name); ok {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q", name)
	}
	return strconv.Atoi(g.Gid)
}

// number reads the number of a user or a group.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n < math.MaxUint32
}
