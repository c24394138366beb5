// Identity: the user and the groups of the workers.

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/accounts"
)

// Credential is the identity of the workers, and of what is run to make their program;
// nil is ours.
func (app *App) Credential() (*syscall.Credential, error) {
	if app.User == "" && app.Group == "" {
		return nil, nil
	}
	c := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), NoSetGroups: os.Geteuid() != 0}
	if app.User != "" {
		uid, err := accounts.User(app.User)
		if err != nil {
			return nil, err
		}
		c.Uid = uint32(uid)
		if gid, groups, err := groupsOf(app.User); err == nil {
			c.Gid = gid
			if app.Initgroups {
				c.Groups = groups
			}
		}
	}
	if app.Group != "" {
		gid, err := accounts.Group(app.Group)
		if err != nil {
			return nil, err
		}
		c.Gid = uint32(gid)
	}
	if int(c.Uid) == os.Geteuid() && int(c.Gid) == os.Getegid() && !app.Initgroups {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can run workers as another user or group")
	}
	return c, nil
}

// Denied says what keeps the user c from running program in folder: the kernel says
// only that something did. nil if nothing does, or c is nil.
func Denied(c *syscall.Credential, folder, program string) error {
	if c == nil {
		return nil
	}
	groups := []string{strconv.Itoa(int(c.Gid))}
	for _, g := range c.Groups {
		groups = append(groups, strconv.Itoa(int(g)))
	}
	for _, path := range []string{folder, program} {
		if err := denied(path, unix.X_OK, int(c.Uid), groups); err != nil {
			name := strconv.Itoa(int(c.Uid))
			if u, err := user.LookupId(name); err == nil {
				name = u.Username
			}
			return fmt.Errorf("user %s cannot run %s in %s: %w", name, program, folder, err)
		}
	}
	return nil
}

// groupsOf is the primary group and the supplementary groups of a user.
func groupsOf(name string) (primary uint32, groups []uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return 0, nil, err
		}
	}
	ids, err := u.GroupIds()
	if err != nil {
		return 0, nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			groups = append(groups, uint32(n))
		}
	}
	return uint32(gid), groups, err
}
