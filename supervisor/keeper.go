// The keeper: ends programs without a control socket when the supervisor dies.

package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

const (
	keeperWord  = "-keeper"
	keeperGrace = 5 * time.Second // between TERM and KILL
)

// keeper is a process of our own that knows the groups of fastcgi and exec workers
// and outlives us, also after a SIGKILL. PR_SET_PDEATHSIG reaches neither their
// children nor those that ignore the signal. The keeper reads from a pipe; its end
// says that we are gone.
type keeper struct {
	mu     sync.Mutex
	pipe   *os.File // nil until it is needed
	proc   *child
	ended  chan struct{}  // closed when proc has ended
	groups map[int]string // that it knows, with the start time of the leader
}

// guard adds a process group. Without a keeper PR_SET_PDEATHSIG has to do.
func (k *keeper) guard(l *launcher, g *generation, pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.groups == nil {
		k.groups = map[int]string{}
	}
	k.groups[pid] = startTime(pid)
	switch {
	case k.pipe == nil:
		k.begin(l, g)
	case k.say(pid) != nil: // it is dead, and watch sees to it, or it is stuck
		k.proc.Kill(syscall.SIGKILL)
	}
}

// begin starts a keeper and tells it all groups.
func (k *keeper) begin(l *launcher, g *generation) {
	err := k.start(l, g)
	for pid := range k.groups {
		if err == nil {
			err = k.say(pid)
		}
	}
	if err != nil {
		l.log.Warn("nobody will end the workers if appd is killed", "error", err)
	}
}

// watch replaces a keeper that ends before it has to.
func (k *keeper) watch(p *child, ended chan<- struct{}, l *launcher, g *generation) {
	begun := time.Now()
	e := p.Wait()
	p.Close()
	close(ended)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.proc != p {
		return
	}
	k.pipe.Close()
	k.pipe, k.proc = nil, nil
	l.log.Warn("the keeper ended", "pid", p.pid, "status", (&Death{PID: p.pid, Code: e.code, Signal: e.signal, By: killer(e, 0), Age: time.Since(begun)}).describe())
	if time.Since(begun) > time.Second && len(k.groups) > 0 {
		k.begin(l, g)
	}
}

// say tells the keeper a group, which reads at once or is stuck.
func (k *keeper) say(pid int) error {
	k.pipe.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := fmt.Fprintf(k.pipe, "+%d %s\n", pid, k.groups[pid])
	return err
}

// release takes a group off the list.
func (k *keeper) release(pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.groups, pid)
	if k.pipe != nil {
		k.pipe.SetWriteDeadline(time.Now().Add(time.Second))
		fmt.Fprintf(k.pipe, "-%d\n", pid) // a keeper that takes another one's place never hears of it
	}
}

// start runs the keeper.
func (k *keeper) start(l *launcher, g *generation) error {
	if g.cfg.ExecVerb == "" {
		return errors.New("no verb for it")
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	p := &child{kind: KindExec, log: l.log, oom: l.oom}
	fds := &inheritance{}
	defer fds.close()
	if err := p.streams(fds, true); err != nil {
		return err
	}
	fds.files[0] = ends[0]
	fds.owned = append(fds.owned, ends[0])
	unix.SetNonblock(ends[1], true)
	k.pipe = os.NewFile(uintptr(ends[1]), "keeper")
	argv := []string{self(g.cfg)[0], g.cfg.ExecVerb, keeperWord}
	pidfd := -1
	pid, err := l.spawner.fork(argv[0], argv, &syscall.ProcAttr{
		Env: unsetenv(os.Environ(), private...), Files: fds.uintptrs(),
		Sys: &syscall.SysProcAttr{Setpgid: true, PidFD: &pidfd},
	}, -1)
	if err == nil {
		err = p.hold(pid, pidfd, []any{"name", "keeper", "pid", pid})
	}
	if err != nil {
		k.pipe.Close()
		k.pipe = nil
		p.abort()
		return err
	}
	p.Attend(func(handoff.Message, []int) {})
	k.proc, k.ended = p, make(chan struct{})
	go k.watch(p, k.ended, l, g) // ends with the process, for which close waits
	return nil
}

// close lets the keeper go; all workers have.
func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pipe == nil {
		return
	}
	k.proc.Signal(syscall.SIGCONT) // somebody may have stopped it
	k.pipe.Close()
	k.pipe, k.proc = nil, nil
	<-k.ended
}

// keeperMain is the keeper's process. Nobody's signals end it, its pipe does.
func keeperMain(in io.Reader) error {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2} {
		signal.Ignore(sig)
	}
	groups := map[int]string{} // with the start time of the leader
	for sc := bufio.NewScanner(in); sc.Scan(); {
		line := sc.Text()
		number, born, _ := strings.Cut(line[min(len(line), 1):], " ")
		pid, err := strconv.Atoi(number)
		switch {
		case err != nil || pid <= 1:
		case line[0] == '+':
			groups[pid] = born
		default:
			delete(groups, pid)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), keeperGrace)
	defer cancel()
	endGroups(ctx, groups)
	return nil
}

// endGroups asks the groups to go until ctx ends, then kills those that are left.
func endGroups(ctx context.Context, groups map[int]string) {
	for pid, born := range groups {
		// The number belongs to the group as long as it has a member; a leader that was
		// born at another moment leads another group.
		if now := startTime(pid); now != "" && now != born || unix.Kill(-pid, syscall.SIGTERM) != nil {
			delete(groups, pid)
		}
	}
	for len(groups) > 0 {
		living := livingGroups()
		for pid := range groups {
			if !living[pid] {
				delete(groups, pid)
			}
		}
		select {
		case <-ctx.Done():
			for pid := range groups {
				unix.Kill(-pid, syscall.SIGKILL)
			}
			return
		case <-time.After(pollPeriod):
		}
	}
}

// livingGroups are the process groups with a member that is no zombie: an init that
// does not reap would make us wait for those.
func livingGroups() map[int]bool {
	groups := map[int]bool{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if f := statFields(pid); len(f) > 2 && f[0] != "Z" {
			group, _ := strconv.Atoi(f[2])
			groups[group] = true
		}
	}
	return groups
}

// startTime is when a process was started, in ticks since the machine was; "" when
// there is none.
func startTime(pid int) string {
	f := statFields(pid)
	if len(f) < 20 {
		return ""
	}
	return f[19]
}
