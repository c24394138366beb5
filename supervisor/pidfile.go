// The pidfile: locked by its owner, written atomically when a worker is ready.

package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// pidfile is a path and, once we own it, the locked file there. A nil pidfile does
// nothing.
type pidfile struct {
	path   string
	file   *os.File
	missed bool // it has vanished and cannot be written again
}

// claimPIDFile refuses a pidfile that a living process has locked. One that nobody
// locks is stale.
func (s *Supervisor) claimPIDFile() (*pidfile, error) {
	if s.cfg.PIDFile == "" {
		return nil, nil
	}
	p := &pidfile{path: s.cfg.PIDFile}
	if f := s.inherited.pidfile(); f != nil {
		p.file = f
		return p, nil
	}
	f, err := os.OpenFile(p.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	if err := p.lock(f); err != nil {
		f.Close()
		return nil, err
	}
	p.file = f // stale; keeps others out until the new one takes its place
	return p, nil
}

func (p *pidfile) lock(f *os.File) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return &InUseError{What: "pidfile", Path: p.path, Owner: readPID(f)}
	}
	return nil
}

// write puts a new file with our pid, locked before anybody can see it, in the
// place of what is there.
func (p *pidfile) write() error {
	if p == nil {
		return nil
	}
	if p.file == nil {
		if f, err := os.Open(p.path); err == nil { // since we looked
			err := p.lock(f)
			f.Close()
			if err != nil {
				return err
			}
		}
	}
	name := temporaryPIDFile(p.path)
	os.Remove(name) // of a process that had our number
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	if err := errors.Join(p.lock(f), writePID(f), os.Rename(name, p.path)); err != nil {
		f.Close()
		os.Remove(name)
		return fmt.Errorf("pidfile: %w", err)
	}
	if p.file != nil {
		p.file.Close()
	}
	p.file = f
	return nil
}

func temporaryPIDFile(path string) string { return fmt.Sprintf("%s.%d", path, os.Getpid()) }

// remove removes the file if it is ours and nobody has taken over.
func (p *pidfile) remove(takenOver bool) error {
	if p == nil || p.file == nil {
		return nil
	}
	defer p.file.Close()
	if takenOver || readPID(p.file) != os.Getpid() || !sameFile(p.file, p.path) {
		return nil
	}
	return os.Remove(p.path)
}
