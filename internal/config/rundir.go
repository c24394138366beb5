// The run folder: where a running appd keeps its control socket, its builds and
// the generated nginx configuration, and where the verbs look for it.

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// RunFolder is the run folder's path: run_dir, else the service manager's, else
// /run/appd/KEY for root, else a folder of the user's. It is not made.
func (c *Config) RunFolder() string {
	if c.RunDir != "" {
		return c.RunDir
	}
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	return c.ownFolder()
}

// Signpost is the folder where verbs look for the control socket when the run
// folder cannot be told: the file that names it cannot be read any more, or the
// service manager named it to appd only. "" where it is the run folder itself.
func (c *Config) Signpost() string {
	if dir := c.ownFolder(); c.File != "" && dir != c.RunFolder() {
		return dir
	}
	return ""
}

// ownFolder is the run folder that nobody chose.
func (c *Config) ownFolder() string {
	if os.Geteuid() == 0 {
		return filepath.Join("/run/appd", c.key())
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "appd", c.key())
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("appd-%d", os.Geteuid()), c.key())
}

// key tells several appds of one user apart: by the absolute path of appd.hcl, or
// by the first address where there is no file.
func (c *Config) key() string {
	name := defaultAddress
	switch {
	case c.File != "":
		name = filepath.Join(c.Base, filepath.Base(c.File))
	case len(c.Listen) > 0:
		name = c.Listen[0].Address
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])[:12]
}

// MakeRunFolder makes the run folder. What lies in the shared temporary folder must
// be ours and closed to others: somebody else could have made it first. Root's are
// open to pass through, because a managed nginx gives up root and has to reach its
// files; what is secret protects itself.
func (c *Config) MakeRunFolder() (string, error) { return makeFolder(c.RunFolder()) }

// MakeSignpost makes the folder Signpost.
func (c *Config) MakeSignpost() (string, error) { return makeFolder(c.Signpost()) }

func makeFolder(dir string) (string, error) {
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, mode); err != nil {
		return "", err
	}
	if strings.HasPrefix(parent, filepath.Join(os.TempDir(), "appd-")) {
		if err := ours(parent); err != nil {
			return "", err
		}
	}
	if err := os.Mkdir(dir, mode); err != nil && !os.IsExist(err) {
		return "", err
	}
	return dir, ours(dir)
}

// ours makes sure that dir is a folder of ours that others cannot write to.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("run_dir: %s is not a folder", dir)
	case ok && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0:
		return fmt.Errorf("run_dir: %s belongs to user %d", dir, st.Uid)
	case info.Mode()&0o002 != 0:
		return fmt.Errorf("run_dir: everybody may write to %s", dir)
	}
	return nil
}
