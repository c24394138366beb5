// The thread that forks: children inherit its umask, its no_new_privs, and die with
// it where they must.

package supervisor

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner runs forks on one thread of its own, which lives as long as the
// supervisor. PR_SET_PDEATHSIG fires when the forking thread ends, umask is shared
// by threads unless one leaves the share, and no_new_privs must not reach hooks or
// the next supervisor: all three ask for a thread that nobody else uses.
type spawner struct {
	work  chan func()
	ended chan struct{}

	// owned by the thread
	alone bool // has a umask of its own
	umask int  // that we were started with
}

func newSpawner() *spawner {
	p := &spawner{work: make(chan func()), ended: make(chan struct{})}
	go p.run()
	return p
}

// run never unlocks the thread, which therefore ends with it. The process's first
// thread cannot end, and stands for the process in /proc: that one looks for another.
func (p *spawner) run() {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(elsewhere)
			p.run()
		}()
		<-elsewhere // while we hold the first thread
		runtime.UnlockOSThread()
		return
	}
	defer close(p.ended)
	p.alone = unix.Unshare(unix.CLONE_FS) == nil
	p.umask = unix.Umask(0)
	unix.Umask(p.umask)
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	for f := range p.work {
		f()
	}
}

// close ends the thread. No fork may follow.
func (p *spawner) close() {
	close(p.work)
	<-p.ended
}

// fork starts a program. umask -1 means ours.
func (p *spawner) fork(path string, argv []string, attr *syscall.ProcAttr, umask int) (pid int, err error) {
	done := make(chan struct{})
	p.work <- func() {
		defer close(done)
		if umask >= 0 {
			unix.Umask(umask)
			if !p.alone {
				defer unix.Umask(p.umask) // shared after all: as short as can be
			}
		} else if p.alone {
			unix.Umask(p.umask)
		}
		pid, err = syscall.ForkExec(path, argv, attr)
	}
	<-done
	return pid, err
}
