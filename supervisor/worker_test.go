package supervisor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// testWorker is a small worker that keeps the contract, as badly as BEHAVE says:
//
//	GET SECONDS [until FILE]\n  ->  a line that says who answered, after so many
//	seconds, and not before there is such a file
type testWorker struct {
	h     *handoff.Handoff
	c     *handoff.Conn
	board *handoff.Board
	wg    sync.WaitGroup // connections
	doors sync.WaitGroup // goroutines that accept

	mu        sync.Mutex
	leaving   bool
	listeners []net.Listener
	idle      map[net.Conn]bool
	conns     map[net.Conn]int // their listener
}

func (w *testWorker) main() {
	behave := os.Getenv("BEHAVE")
	if behave == "second" && os.Getenv("APPD_WORKER_ID") == "1" { // when the first one has long been ready
		time.Sleep(500 * time.Millisecond)
		behave = "die"
	}
	switch behave {
	case "die":
		fmt.Fprintln(os.Stderr, "cannot find the database")
		os.Exit(9)
	case "hang":
		time.Sleep(time.Hour)
	}
	h, err := handoff.Load()
	if err != nil || h == nil {
		fmt.Println("no hand-over:", err)
		os.Exit(2)
	}
	w.h, w.idle, w.conns = h, map[net.Conn]bool{}, map[net.Conn]int{}
	if w.c, err = handoff.NewConn(h.Control); err != nil {
		panic(err)
	}
	if w.board, err = handoff.OpenBoard(h.Scoreboard); err != nil {
		panic(err)
	}
	go func() {
		for {
			w.board.Beat(handoff.Now())
			time.Sleep(100 * time.Millisecond)
		}
	}()
	signal.Ignore(syscall.SIGPIPE)
	if behave == "children" {
		exec.Command("sleep", "3600").Start()
		exec.Command("sh", "-c", "trap '' TERM; sleep 3600").Start()
	}
	if behave == "flood" {
		go func() {
			for i := 0; ; i++ {
				fmt.Println(i, strings.Repeat("x", 100))
			}
		}()
	}
	for i, l := range h.Listeners {
		f := os.NewFile(uintptr(l.FD), "listener")
		ln, err := net.FileListener(f)
		if err != nil {
			panic(err)
		}
		f.Close()
		w.listeners = append(w.listeners, ln)
		w.doors.Go(func() { w.accept(ln, i) })
	}
	if behave != "mute" {
		set := handoff.Defaults()
		json.Unmarshal(h.Settings, &set)
		w.c.Send(handoff.Message{Kind: handoff.Ready, Version: handoff.Version, Settings: &set})
		w.board.SetState(handoff.Serving)
	}
	w.listen(behave)
}

// listen obeys the supervisor.
func (w *testWorker) listen(behave string) {
	for {
		m, fds, err := w.c.Receive()
		if err != nil {
			w.drain(handoff.Message{})
			os.Exit(0)
		}
		switch m.Kind {
		case handoff.Drain:
			if behave != "stubborn" {
				go func() {
					w.drain(m)
					os.Exit(0)
				}()
			}
		case handoff.Stop:
			go func() {
				time.AfterFunc(time.Duration(m.Grace), func() { os.Exit(0) })
				w.drain(m)
				os.Exit(0)
			}()
		case handoff.Pause:
			w.closeListeners()
		case handoff.Adopt:
			f := os.NewFile(uintptr(fds[0]), "adopted")
			c, err := net.FileConn(f)
			f.Close()
			if err == nil {
				w.wg.Go(func() { w.serve(c, m.Listener) })
			}
			fds = nil
		case handoff.Dump:
			unix.Write(fds[0], []byte("stacks of "+m.Reason))
		case handoff.Reopen:
			unix.Write(fds[0], []byte("reopened\n"))
		}
		handoff.CloseFDs(fds)
	}
}

func (w *testWorker) accept(ln net.Listener, i int) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.serve(c, i) })
	}
}

// serve answers requests until the connection or the worker ends.
func (w *testWorker) serve(c net.Conn, listener int) {
	w.mu.Lock()
	w.conns[c] = listener
	w.mu.Unlock()
	r := bufio.NewReader(c)
	for {
		if !w.rest(c, r) {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			c.Close()
			return
		}
		row := w.board.Begin(handoff.Now(), &handoff.Request{Protocol: 3, Method: "GET", Target: strings.TrimSpace(line), Limit: w.limit(line)})
		if strings.HasPrefix(line, "GET eat") {
			eat(300 << 20)
		}
		var seconds float64
		fmt.Sscanf(line, "GET %g", &seconds)
		time.Sleep(time.Duration(seconds * float64(time.Second)))
		if _, gate, ok := strings.Cut(strings.TrimSpace(line), " until "); ok {
			for _, err := os.Stat(gate); err != nil; _, err = os.Stat(gate) {
				time.Sleep(10 * time.Millisecond)
			}
		}
		row.End()
		w.board.Served(3, 200, 0)
		fmt.Fprintf(c, "slot %d gen %d pid %d\n", w.h.Slot, w.h.Generation, os.Getpid())
	}
}

// eaten is memory that was taken for good.
var eaten []byte

func eat(n int) {
	eaten = make([]byte, n)
	for i := 0; i < n; i += 4096 {
		eaten[i] = 1
	}
}

// limit is that of the configuration; a request may say that it has none.
func (w *testWorker) limit(line string) time.Duration {
	if strings.Contains(line, "unlimited") {
		return 0
	}
	set := handoff.Settings{}
	json.Unmarshal(w.h.Settings, &set)
	return time.Duration(set.Timeout)
}

// rest waits for the next request. A draining worker gives the connection away.
func (w *testWorker) rest(c net.Conn, r *bufio.Reader) bool {
	w.mu.Lock()
	if w.leaving {
		w.mu.Unlock()
		w.pass(c)
		return false
	}
	w.idle[c] = true
	w.mu.Unlock()
	_, err := r.Peek(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.idle, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.wg.Go(func() { w.pass(c) })
		return false
	}
	if err != nil {
		c.Close()
		return false
	}
	return true
}

// pass hands an idle connection up.
func (w *testWorker) pass(c net.Conn) {
	defer c.Close()
	w.mu.Lock()
	i := w.conns[c]
	w.mu.Unlock()
	raw, _ := c.(syscall.Conn).SyscallConn()
	raw.Control(func(fd uintptr) {
		w.c.Send(handoff.Message{Kind: handoff.Passed, Listener: i, Protocol: "http"}, int(fd))
	})
}

func (w *testWorker) closeListeners() {
	for _, l := range w.listeners {
		l.Close()
	}
}

func (w *testWorker) drain(m handoff.Message) {
	if m.Queue {
		w.emptyQueues()
	}
	w.closeListeners()
	w.doors.Wait() // with a connection in the hand, perhaps
	w.mu.Lock()
	w.leaving = true
	for c := range w.idle {
		c.SetReadDeadline(time.Now())
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// emptyQueues accepts what waits already: nobody else will.
func (w *testWorker) emptyQueues() {
	for i, ln := range w.listeners {
		raw, err := ln.(syscall.Conn).SyscallConn()
		if err != nil {
			panic(err)
		}
		raw.Control(func(listener uintptr) {
			for {
				fd, _, err := unix.Accept4(int(listener), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
				if err != nil {
					return
				}
				f := os.NewFile(uintptr(fd), "accepted")
				c, err := net.FileConn(f)
				f.Close()
				if err == nil {
					w.wg.Go(func() { w.serve(c, i) })
				}
			}
		})
	}
}
