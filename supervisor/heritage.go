// Upgrade, the new side: take over sockets, locks and pidfile; say when we serve.

package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// heritage is what a predecessor handed over. A nil heritage is that of a supervisor
// that was not started for an upgrade.
type heritage struct {
	conn      *handoff.Conn
	estate    estate
	fds       []int // -1 once taken
	committed bool
	byIndex   []*listener // as the predecessor counts them
}

// receiveHeritage takes the estate if we were started for an upgrade.
func receiveHeritage() (*heritage, error) {
	number, ok := os.LookupEnv(upgradeEnv)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(upgradeEnv)
	fd, err := strconv.Atoi(number)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %s=%q", upgradeEnv, number)
	}
	conn, err := handoff.NewConn(fd)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	conn.SetReceiveDeadline(time.Now().Add(10 * time.Second))
	m, fds, err := conn.Receive()
	if err == nil && m.Kind != inherit {
		err = fmt.Errorf("the old appd says %q", m.Kind)
	}
	h := &heritage{conn: conn, fds: fds}
	if err == nil {
		err = json.Unmarshal(m.Handoff, &h.estate)
	}
	if err != nil {
		handoff.CloseFDs(fds)
		conn.Close()
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	conn.SetReceiveDeadline(time.Time{})
	h.byIndex = make([]*listener, len(h.estate.Listeners))
	return h, nil
}

// take returns a descriptor of the estate, which is the caller's from now on.
func (h *heritage) take(i int) int {
	if i < 0 || i >= len(h.fds) {
		return -1
	}
	fd := h.fds[i]
	h.fds[i] = -1
	return fd
}

// listener returns the inherited listener for spec, nil if there is none. Its file
// stays the predecessor's until we serve.
func (h *heritage) listener(spec Listener, blocking bool) *listener {
	if h == nil {
		return nil
	}
	for i, g := range h.estate.Listeners {
		if g.Address != spec.Worker.Address || h.byIndex[i] != nil {
			continue
		}
		fd := h.take(g.FD)
		if fd < 0 {
			return nil
		}
		l := &listener{address: g.Address, spec: spec, fd: fd, path: g.Path, dev: g.Dev, ino: g.Ino, foreign: true, inherited: true}
		if lock := h.take(g.Lock); lock >= 0 {
			l.lock = os.NewFile(uintptr(lock), g.Path+".lock")
		}
		h.byIndex[i] = l
		return l
	}
	return nil
}

// pidfile returns the locked pidfile of the predecessor.
func (h *heritage) pidfile() *os.File {
	if h == nil {
		return nil
	}
	if fd := h.take(h.estate.PIDFile); fd >= 0 {
		return os.NewFile(uintptr(fd), "pidfile")
	}
	return nil
}

// upgradeStep tells the predecessor once all our workers are ready; from then on
// what it handed over is ours.
func (s *Supervisor) upgradeStep() {
	h := s.inherited
	if h == nil || h.committed || s.stopping != running {
		return
	}
	serving := 0
	for _, w := range s.workers {
		if w.state == ready {
			serving++
		}
	}
	if serving < s.wanted {
		return
	}
	h.committed = true
	for _, l := range s.listeners {
		if l.inherited && l.path != "" {
			l.foreign = false
			_ = writePID(l.lock)
		}
	}
	s.changeListeners(true)
	s.open()
	h.conn.SetSendDeadline(time.Now().Add(5 * time.Second))
	if err := h.conn.Send(handoff.Message{Kind: handoff.Ready}); err != nil {
		s.log.Warn("the old appd does not listen", "error", err)
	}
	h.dispose()
}

// dispose closes what our configuration did not ask for; a socket that is no longer
// configured goes with its file.
func (h *heritage) dispose() {
	for i, g := range h.estate.Listeners {
		if h.byIndex[i] != nil {
			continue
		}
		l := &listener{address: g.Address, fd: h.take(g.FD), path: g.Path, dev: g.Dev, ino: g.Ino}
		if lock := h.take(g.Lock); lock >= 0 {
			l.lock = os.NewFile(uintptr(lock), g.Path+".lock")
		}
		_ = l.close()
	}
	for i := range h.fds {
		if fd := h.take(i); fd >= 0 {
			unix.Close(fd)
		}
	}
}

// hearPredecessor takes the idle connections of its workers until it has ended. If
// it ends before we serve it called the upgrade off.
func (s *Supervisor) hearPredecessor(h *heritage) {
	for {
		m, fds, err := h.conn.Receive()
		if errors.Is(err, handoff.ErrPacket) {
			continue
		}
		if err != nil {
			s.post(message{do: func() { s.bereaved(h) }})
			return
		}
		if m.Kind != handoff.Passed {
			handoff.CloseFDs(fds)
			continue
		}
		s.post(message{fds: fds, do: func() { s.adoptFrom(h, m, fds) }})
	}
}

// bereaved follows up on the predecessor's end.
func (s *Supervisor) bereaved(h *heritage) {
	switch {
	case !h.committed && s.stopping == running:
		s.fail(errors.New("the old appd called the upgrade off"))
	case h.committed && s.cfg.OnPredecessorGone != nil:
		s.cfg.OnPredecessorGone()
	}
}

// adoptFrom gives a connection of the predecessor to one of our workers.
func (s *Supervisor) adoptFrom(h *heritage, m handoff.Message, fds []int) {
	defer handoff.CloseFDs(fds)
	if len(fds) != 1 || m.Listener < 0 || m.Listener >= len(h.byIndex) || h.byIndex[m.Listener] == nil {
		return
	}
	s.handOn(nil, h.byIndex[m.Listener], m, fds[0])
}

// failed tells the predecessor why we do not serve.
func (h *heritage) failed(err error) {
	if h == nil {
		return
	}
	if !h.committed && err != nil {
		text := err.Error()
		if boot, ok := errors.AsType[*BootError](err); ok && len(boot.Output) > 0 {
			text += "\n" + boot.Output[len(boot.Output)-1]
		}
		h.conn.SetSendDeadline(time.Now().Add(time.Second))
		_ = h.conn.Send(handoff.Message{Kind: handoff.Failed, Text: text})
	}
	h.conn.Close()
	for i := range h.fds {
		if fd := h.take(i); fd >= 0 {
			unix.Close(fd)
		}
	}
}

// bindOrInherit makes the listener for spec, or takes the one that is there.
func (s *Supervisor) bindOrInherit(spec Listener, blocking bool) (*listener, error) {
	if l := s.inherited.listener(spec, blocking); l != nil {
		return l, unix.SetNonblock(l.fd, !blocking)
	}
	if l := s.activated.listener(spec); l != nil {
		return l, unix.SetNonblock(l.fd, !blocking)
	}
	return bind(spec, blocking)
}
