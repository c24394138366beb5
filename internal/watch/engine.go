// Which engine notices changes: inotify where it works, a clock where not.

package watch

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// silent are file systems that make no events for changes from elsewhere.
var silent = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.FUSE_SUPER_MAGIC: "FUSE",
	unix.V9FS_MAGIC:       "9p",
	0x786f4256:            "vboxsf",
}

// choose opens inotify, or leaves notify nil to poll.
func (w *Watcher) choose() {
	if w.Engine == Poll {
		return
	}
	if w.Engine != Inotify {
		for _, t := range w.Trees {
			var fs unix.Statfs_t
			if unix.Statfs(t.Dir, &fs) == nil && silent[int64(fs.Type)] != "" {
				w.Log.Info("polling for changes", "reason", silent[int64(fs.Type)]+" makes no events", "tree", t.Dir)
				return
			}
		}
	}
	n, err := w.open()
	if err != nil {
		w.poll(err)
		return
	}
	w.notify = n
}

// poll gives inotify up and says once why, and what to change.
func (w *Watcher) poll(err error) {
	args := []any{"error", err}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		args = append(args, "way out", "sysctl fs.inotify.max_user_watches=524288")
	case errors.Is(err, syscall.EMFILE):
		args = append(args, "way out", "sysctl fs.inotify.max_user_instances=512")
	}
	w.Log.Warn("cannot watch by events, polling for changes every half second", args...)
	w.close()
}

// close ends inotify.
func (w *Watcher) close() {
	if w.notify != nil {
		w.notify.Close()
		w.notify = nil
	}
	clear(w.added)
}
