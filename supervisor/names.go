// Names that others know: users, groups, hosts. Who is asked (sssd, LDAP, DNS) may take
// his time, so that is done before the loop begins, or beside it.

package supervisor

import (
	"cmp"
	"net"
	"os/user"
	"strconv"
	"strings"

	"github.com/appd-server/appd/internal/accounts"
)

// names is what the names of a listener stand for. A mistake counts when the answer is
// needed: a listener that is there already needs none.
type names struct {
	owner, group int // -1: nobody wrote one
	wrong        error
	webGroups    []int    // of web servers; the first that can be set is, where nobody wrote a group
	front        *account // who connects; nil: nobody knows
	address      *net.TCPAddr
	unresolved   error
}

// account is a user and the groups that he is in.
type account struct {
	name   string
	uid    int
	groups []string
}

// lookUp finds out what the names of a listener stand for.
func lookUp(spec Listener) *names {
	n := &names{owner: -1, group: -1}
	if strings.HasPrefix(spec.Worker.Address, "fd://") {
		return n
	}
	if !strings.HasPrefix(spec.Worker.Address, "unix:") {
		n.address, n.unresolved = net.ResolveTCPAddr("tcp", spec.Worker.Address)
		return n
	}
	if spec.Owner != "" {
		n.owner, n.wrong = accounts.User(spec.Owner)
	}
	if spec.Group != "" {
		var err error
		n.group, err = accounts.Group(spec.Group)
		n.wrong = cmp.Or(n.wrong, err)
	} else {
		for _, name := range fronts {
			if id, err := accounts.Group(name); err == nil {
				n.webGroups = append(n.webGroups, id)
			}
		}
	}
	n.front = whoConnects(spec.FrontUser)
	return n
}

// whoConnects is the named user, or that of a web server.
func whoConnects(name string) *account {
	list := fronts
	if name != "" {
		list = []string{name}
	}
	for _, name := range list {
		u, err := user.Lookup(name)
		if err != nil {
			u, err = user.LookupId(name)
		}
		if err != nil {
			continue
		}
		a := &account{name: name}
		a.uid, _ = strconv.Atoi(u.Uid)
		a.groups, _ = u.GroupIds()
		return a
	}
	return nil
}

// sameNames says that lookUp asks the same for both.
func sameNames(a, b Listener) bool {
	return a.Worker.Address == b.Worker.Address && a.Owner == b.Owner && a.Group == b.Group && a.FrontUser == b.FrontUser
}

// named gives specs their names. Those that a listener in use has as well are known:
// whoever is asked may be out of order just now.
func (s *system) named(specs, known []Listener) []Listener {
	list := make([]Listener, len(specs))
	for i, spec := range specs {
		spec.names = nil
		for _, k := range known {
			if sameNames(k, spec) && k.names.wrong == nil {
				spec.names = k.names
			}
		}
		if spec.names == nil {
			spec.names = s.lookUp(spec)
		}
		list[i] = spec
	}
	return list
}
