// The servers that are measured, and how they are started.

//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/server"
)

const listenerFD = 4

// steps take about 20 ms; measured once, by the quickest of several tries.
var steps = func() int {
	const try = 1 << 20
	best := time.Hour
	for range 10 {
		began := time.Now()
		_ = burn(try)
		best = min(best, time.Since(began))
	}
	return int(try * (20 * time.Millisecond).Nanoseconds() / max(best.Nanoseconds(), 1))
}()

// burn keeps a processor busy. Inlined where nobody looks at the result, as in the
// measurement above, it would be an empty loop.
//
//go:noinline
func burn(n int) (x uint64) {
	x = 88172645463325252
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// handler is the application: a dozen bytes; /burn keeps a processor for 20 ms.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("hello world\n"))
	})
	mux.HandleFunc("/burn/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, burn(steps))
		w.Write([]byte("hello world\n"))
	})
	return mux
}

// serve is the life of a started server.
func serve(role string) error {
	if role == "appd" {
		return server.Run(handler())
	}
	l, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return err
	}
	if role == "fcgi" {
		return fcgi.Serve(l, handler())
	}
	return http.Serve(l, handler())
}

// app is a running server: some processes on one socket.
type app struct {
	procs  []*exec.Cmd
	lines  []*handoff.Conn
	boards []*handoff.View
	gentle bool // it has workers of its own: ask it to leave
}

// startServer starts n processes that accept from the socket in dir.
func startServer(dir, role string, n int) (*app, error) {
	path := filepath.Join(dir, "app.sock")
	os.Remove(path)
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	a := new(app)
	for i := range n {
		if err := a.spawn(ln.(*net.UnixListener), role, i, n); err != nil {
			a.stop()
			return nil, err
		}
	}
	if role != "appd" {
		time.Sleep(200 * time.Millisecond)
		return a, nil
	}
	if err := a.ready(); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

// ready waits until all of appd's workers accept.
func (a *app) ready() error {
	for _, line := range a.lines {
		line.SetReceiveDeadline(time.Now().Add(20 * time.Second))
		if m, _, err := line.Receive(); err != nil || m.Kind != handoff.Ready {
			return fmt.Errorf("a worker is not ready: %w %s", err, m.Text)
		}
	}
	return nil
}

// spawn starts one process; appd's gets what its supervisor would give it.
func (a *app) spawn(ln *net.UnixListener, role string, slot, n int) error {
	inherited, err := handoff.Inherit(ln)
	if err != nil {
		return err
	}
	defer inherited.Close()
	line, child, err := handoff.Socketpair()
	if err != nil {
		return err
	}
	defer child.Close()
	a.lines = append(a.lines, line)
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, "-role", role)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{child, inherited}
	cmd.Env = os.Environ()
	if role == "appd" {
		board, err := handoff.CreateBoard()
		if err != nil {
			return err
		}
		a.boards = append(a.boards, board)
		dup, err := unix.FcntlInt(uintptr(board.FD()), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(dup), "board")
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		h := handoff.Handoff{
			Version: handoff.Version, Name: "bench", Slot: slot, Workers: n, Control: handoff.ControlFD, Scoreboard: 5, Procs: 2,
			Listeners: []handoff.Listener{{FD: listenerFD, Address: ln.Addr().String(), Protocol: "auto"}},
		}
		if *width != "" {
			h.Procs = 0
		}
		text, err := h.Marshal()
		if err != nil {
			return err
		}
		procs := "1"
		if *width != "" {
			procs = *width
		}
		cmd.Env = append(cmd.Env, handoff.Env+"="+text, "GOMAXPROCS="+procs)
	} else if *maxprocs != "" {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+*maxprocs)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	a.procs = append(a.procs, cmd)
	return nil
}

// cpu is the time that the processes have used so far.
func (a *app) cpu() (sum time.Duration) {
	for _, p := range a.procs {
		for _, pid := range append(childrenOf(p.Process.Pid), p.Process.Pid) {
			used := cpuOf(pid)
			if used == 0 {
				fmt.Fprintln(os.Stderr, "bench: no", pid)
			}
			sum += used
		}
	}
	return sum
}

// cpuOf reads utime and stime, finer than in ticks, of every thread of a process; 0 if
// there is none.
func cpuOf(pid int) (sum time.Duration) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// counters returns what each of appd's processes counted.
func (a *app) counters() []handoff.Counters {
	var all []handoff.Counters
	for _, v := range a.boards {
		var s handoff.Snapshot
		if v.Read(&s, handoff.Now()) == nil {
			all = append(all, s.Counters)
		}
	}
	return all
}

func (a *app) stop() {
	for _, p := range a.procs {
		if a.gentle {
			p.Process.Signal(unix.SIGTERM)
		} else {
			p.Process.Kill()
		}
	}
	for _, p := range a.procs {
		p.Wait()
	}
	for _, l := range a.lines {
		l.Close()
	}
	for _, b := range a.boards {
		b.Close()
	}
}
