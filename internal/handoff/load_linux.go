// The worker's side of the hand-over: read the variable, claim the descriptors.

package handoff

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Load returns what the supervisor handed to this process, or nil if it was not
// started by one. It takes the variable out of the environment and makes the
// descriptors close-on-exec, so that no child of the application takes itself for
// a worker. An error says that the process must not serve; its text is for the
// person who reads the log.
func Load() (*Handoff, error) {
	text, ok := os.LookupEnv(Env)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(Env)
	h, err := Parse(text)
	if err != nil {
		return nil, err
	}
	for _, fd := range h.FDs() {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			return nil, fmt.Errorf("handoff: %s names descriptor %d, which is not open", Env, fd)
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags|unix.FD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("handoff: descriptor %d: %w", fd, err)
		}
	}
	return h, nil
}

// Parse reads the text of the variable and checks the contract's version.
func Parse(text string) (*Handoff, error) {
	// Of a supervisor that speaks another version only that much is read.
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("handoff: %s: %w", Env, err)
	}
	if err := Compatible(v.Version, Version); err != nil {
		return nil, err
	}
	h := new(Handoff)
	if err := json.Unmarshal([]byte(text), h); err != nil {
		return nil, fmt.Errorf("handoff: %s: %w", Env, err)
	}
	for _, fd := range h.FDs() {
		if fd < 0 {
			return nil, fmt.Errorf("handoff: %s names descriptor %d", Env, fd)
		}
	}
	return h, nil
}

// Marshal returns the text of the variable.
func (h *Handoff) Marshal() (string, error) {
	text, err := json.Marshal(h)
	return string(text), err
}

// FDs returns every descriptor that h names.
func (h *Handoff) FDs() []int {
	var fds []int
	for _, fd := range []int{h.Control, h.Scoreboard, h.AccessLog, h.ErrorLog} {
		if fd != 0 {
			fds = append(fds, fd)
		}
	}
	for _, l := range h.Listeners {
		fds = append(fds, l.FD)
	}
	return fds
}
