// Upgrade, the old side: start the new program, hand everything over, leave when it
// serves; go on if it does not.

package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	upgradeEnv  = "APPD_UPGRADE"   // tells the new program where its end of the socket is
	upgradeTime = 15 * time.Minute // for a build and all workers to become ready
)

// inherit is the message that carries the estate, with its descriptors.
const inherit handoff.Kind = "inherit"

// estate is what passes to the new supervisor. Descriptors are indexes into those
// that come along, -1 for none.
type estate struct {
	Listeners  []legacy `json:"listeners"`
	PIDFile    int      `json:"pidfile"`
	Generation int      `json:"generation"`
	RunDir     string   `json:"run_dir"`
}

// legacy is one listener of an estate.
type legacy struct {
	Address string `json:"address"`
	FD      int    `json:"fd"`
	Lock    int    `json:"lock"`
	Path    string `json:"path,omitempty"`
	Dev     uint64 `json:"dev,omitempty"`
	Ino     uint64 `json:"ino,omitempty"`
}

// upgrading is an upgrade under way, later the channel to the successor.
type upgrading struct {
	waiters []chan<- error
	cmd     *exec.Cmd
	conn    *handoff.Conn
	index   map[*listener]int
	fds     []int
	began   time.Time
	reason  string        // what the new supervisor said of its failure
	ended   chan struct{} // closed when it has ended; nil before it was started
}

// upgrade begins an upgrade.
func (s *Supervisor) upgrade(answer chan<- error) {
	var why string
	switch {
	case s.stopping != running:
		answerTo(answer, ErrStopping)
		return
	case os.Getpid() == 1:
		why = "appd is process 1 here: when it ends the container ends; start a new container instead"
	case s.reloading != nil || !s.opened:
		why = "a start or a reload is under way"
	}
	if why != "" {
		s.log.Error("upgrade refused", "reason", why)
		answerTo(answer, errors.New("upgrade refused: "+why))
		return
	}
	if s.upgrading != nil {
		s.upgrading.waiters = append(s.upgrading.waiters, answer)
		return
	}
	u := &upgrading{waiters: []chan<- error{answer}, began: time.Now(), index: map[*listener]int{}}
	s.upgrading = u
	s.log.Info("upgrade begins")
	cfg := s.gen.cfg
	s.task(func() {
		err := s.sys.hook(s.life, cfg, PreExec)
		s.post(message{do: func() {
			if s.upgrading != u {
				return
			}
			if err == nil {
				err = s.startSuccessor(u)
			}
			if err != nil {
				s.abandonUpgrade(err)
			}
		}})
	})
}

// startSuccessor starts the new program and sends it the estate.
func (s *Supervisor) startSuccessor(u *upgrading) error {
	conn, end, err := handoff.Socketpair()
	if err != nil {
		return err
	}
	u.conn = conn
	defer end.Close()
	argv := s.restart
	u.cmd = exec.Command(argv[0], argv[1:]...)
	u.cmd.Args[0] = os.Args[0]
	u.cmd.Dir = s.startDir
	u.cmd.Env = append(unsetenv(os.Environ(), "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", handoff.Env, upgradeEnv), upgradeEnv+"=3")
	u.cmd.Stdin, u.cmd.Stdout, u.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	u.cmd.ExtraFiles = []*os.File{end}
	if err := u.cmd.Start(); err != nil {
		return err
	}
	// Nobody waits for this goroutine: it lives as long as the successor.
	u.ended = make(chan struct{})
	go func() {
		err := u.cmd.Wait()
		close(u.ended)
		s.post(message{do: func() { s.successorEnded(u, err) }})
	}()
	s.task(func() { s.hearSuccessor(u) })
	text, err := json.Marshal(s.estate(u))
	if err != nil {
		return err
	}
	return conn.Send(handoff.Message{Kind: inherit, Handoff: text}, u.fds...)
}

// estate lists what passes on. The descriptors stay ours as well.
func (s *Supervisor) estate(u *upgrading) estate {
	add := func(fd int) int {
		u.fds = append(u.fds, fd)
		return len(u.fds) - 1
	}
	e := estate{PIDFile: -1, Generation: s.numbers, RunDir: s.cfg.RunDir}
	for i, l := range s.listeners {
		u.index[l] = i
		g := legacy{Address: l.address, FD: add(l.fd), Lock: -1, Path: l.path, Dev: l.dev, Ino: l.ino}
		if l.lock != nil {
			g.Lock = add(int(l.lock.Fd()))
		}
		e.Listeners = append(e.Listeners, g)
	}
	if s.pidfile != nil && s.pidfile.file != nil {
		e.PIDFile = add(int(s.pidfile.file.Fd()))
	}
	return e
}

// hearSuccessor reads what the new supervisor says, until it or we have ended.
func (s *Supervisor) hearSuccessor(u *upgrading) {
	u.conn.SetReceiveDeadline(time.Now().Add(upgradeTime))
	for {
		m, fds, err := u.conn.Receive()
		handoff.CloseFDs(fds)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.post(message{do: func() { s.lateSuccessor(u) }})
			return
		}
		if err != nil {
			return // its end is noticed by who waits for it
		}
		s.post(message{do: func() {
			switch m.Kind {
			case handoff.Failed:
				u.reason = m.Text
			case handoff.Ready:
				s.handOver(u)
			}
		}})
		if m.Kind == handoff.Ready {
			return
		}
	}
}

// lateSuccessor gives up on a new supervisor that does not become ready.
func (s *Supervisor) lateSuccessor(u *upgrading) {
	if s.upgrading == u {
		s.abandonUpgrade(fmt.Errorf("the new appd was not ready after %v", upgradeTime))
	}
}

// handOver retires: the new supervisor serves.
func (s *Supervisor) handOver(u *upgrading) {
	if s.upgrading != u {
		return
	}
	s.upgrading, s.successor = nil, u
	s.log.Info("upgrade done, the new appd serves", "pid", u.cmd.Process.Pid, "after", time.Since(u.began).Round(time.Millisecond))
	s.sys.notify(fmt.Sprintf("MAINPID=%d\nREADY=1", u.cmd.Process.Pid))
	for _, l := range s.listeners {
		l.foreign = true
	}
	if s.cfg.OnSucceeded != nil {
		s.cfg.OnSucceeded()
	}
	for _, answer := range u.waiters {
		answerTo(answer, nil)
	}
	s.stopping = leaving
	s.sendAll(evDrain, Upgraded)
}

// pass gives an idle connection to the successor, whose workers know what to do
// with it. It does not wait: a successor that does not read loses them.
func (u *upgrading) pass(l *listener, m handoff.Message, fd int) {
	if i, ok := u.index[l]; ok {
		u.conn.SetSendDeadline(time.Now().Add(100 * time.Millisecond))
		_ = u.conn.Send(handoff.Message{Kind: handoff.Passed, Listener: i, Protocol: m.Protocol}, fd)
	}
}

// successorEnded is the roll-back: the new program ended before it served.
func (s *Supervisor) successorEnded(u *upgrading, err error) {
	if s.upgrading != u {
		return
	}
	switch {
	case u.reason != "":
		err = errors.New(u.reason)
	case err == nil:
		err = errors.New("the new appd ended with exit status 0 before it served")
	default:
		err = fmt.Errorf("the new appd ended: %w", err)
	}
	s.abandonUpgrade(err)
}

// abandonUpgrade ends an upgrade that did not succeed; we go on.
func (s *Supervisor) abandonUpgrade(why error) {
	u := s.upgrading
	if u == nil {
		return
	}
	s.upgrading = nil
	if u.conn != nil {
		u.conn.Close() // the new one leaves when it sees the end
	}
	if u.ended != nil {
		s.task(u.endSuccessor)
	}
	s.log.Error("upgrade failed, this appd goes on", "error", why)
	for _, answer := range u.waiters {
		answerTo(answer, fmt.Errorf("upgrade failed: %w", why))
	}
	s.reloadAgain()
}

// endSuccessor kills a new supervisor that does not leave: it shares our sockets and
// locks. Its workers see its end.
func (u *upgrading) endSuccessor() {
	select {
	case <-u.ended:
	case <-time.After(killTime):
		_ = u.cmd.Process.Kill()
		<-u.ended
	}
}

// restartCommand is the command line that starts the program's file as it will then
// be: through the name that it was called by, so that a link that moved counts.
func restartCommand(c *Config) []string {
	if len(c.Self) > 0 {
		return c.Self
	}
	path, err := os.Executable()
	if strings.Contains(os.Args[0], "/") {
		if abs, aerr := filepath.Abs(os.Args[0]); aerr == nil {
			path, err = abs, nil
		}
	} else if found, lerr := exec.LookPath(os.Args[0]); lerr == nil {
		path, err = found, nil
	}
	if err != nil {
		path = "/proc/self/exe"
	}
	return append([]string{path}, os.Args[1:]...)
}
