// Checks of who workers run as, and of hooks.

package config

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/appd-server/appd/internal/accounts"
)

// validateIdentity looks up user and group and tells who may become them.
func (l *loader) validateIdentity() {
	c := l.c
	if c.Written(&c.User) {
		uid, err := accounts.User(c.User)
		switch {
		case err != nil:
			l.fault(l.at(&c.User), "user: "+err.Error(), "")
		case os.Geteuid() != 0 && uid != os.Geteuid():
			l.fault(l.at(&c.User), fmt.Sprintf("user: only root may run workers as %s", c.User), "Remove it, or start appd as root.")
		case !c.Written(&c.Group) && !listed(uid):
			l.warn(l.at(&c.User), fmt.Sprintf("user %d is not listed, so its group is not known: workers keep group %d", uid, os.Getegid()), "Write group = \"...\".")
		}
	}
	if c.Written(&c.Group) {
		gid, err := accounts.Group(c.Group)
		switch {
		case err != nil:
			l.fault(l.at(&c.Group), "group: "+err.Error(), "")
		case os.Geteuid() != 0 && gid != os.Getegid():
			l.fault(l.at(&c.Group), fmt.Sprintf("group: only root may run workers as group %s", c.Group), "Remove it, or start appd as root.")
		}
	}
}

// listed says whether the system knows a user of this number.
func listed(uid int) bool {
	_, err := user.LookupId(strconv.Itoa(uid))
	return err == nil
}

func (l *loader) validateHooks() {
	for _, h := range l.c.Hooks {
		at := l.at(h)
		switch {
		case h.Command != nil && h.Python != "":
			l.fault(at, fmt.Sprintf("hook %q has both command and python", h.Name), "Keep one.")
		case !h.Inside() && h.Python != "":
			l.fault(l.at(&h.Python), fmt.Sprintf("%s runs in the supervisor, which has no Python", h.Name), "Write command = [\"...\"].")
		case h.Inside() && h.Command != nil:
			l.fault(l.at(&h.Command), fmt.Sprintf("%s runs inside a worker", h.Name), insideWay(l.c.App.Kind))
		case h.Inside() && l.c.App.Kind != WSGI && l.c.App.Kind != "":
			l.fault(at, fmt.Sprintf("%s runs inside a worker", h.Name), insideWay(l.c.App.Kind))
		case h.Python != "" && !strings.Contains(h.Python, ":"):
			l.fault(l.at(&h.Python), fmt.Sprintf("%q is not module:callable", h.Python), "Write python = \"hooks:"+h.Name+"\".")
		case h.Command == nil && h.Python == "" && !l.wrote(&h.Command) && !l.wrote(&h.Python):
			l.fault(at, fmt.Sprintf("hook %q does nothing", h.Name), "Write command = [\"...\"] into it.")
		case h.Command != nil && (len(h.Command) == 0 || h.Command[0] == ""):
			l.fault(l.at(&h.Command), "the command is empty", "")
		}
	}
}

func insideWay(k Kind) string {
	switch k {
	case Go, Command:
		return "Set it in code: the field Hooks of server.Server."
	case FastCGI, Exec:
		return "Programs of this kind know no hooks inside."
	}
	return "Write python = \"module:callable\"."
}
