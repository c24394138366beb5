// Stacks of a process that may hang: written by faulthandler, read through a pipe.

package main

import "C"

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// How long a dump may take to begin, and which silence is its end.
const (
	dumpPatience = 3 * time.Second
	dumpSilence  = 100 * time.Millisecond
)

// dumps is where faulthandler writes and the signal that makes it.
var dumps struct{ fd, signal int }

//export appd_dump_to
func appd_dump_to(fd, signal C.int) { dumps.fd, dumps.signal = int(fd), int(signal) }

// dump writes the stacks of all threads to fd. If the worker is to be killed, the
// hook comes after that, because it waits for the GIL, perhaps in vain.
func (w *worker) dump(fd int, killed bool) {
	if err := stacks(func(p []byte) error { return writeAll(fd, p) }); err != nil {
		w.log.Printf("stacks: %v", err)
	}
	w.control.Send(handoff.Message{Kind: handoff.Done})
	if killed {
		w.python("worker_abort", -1, 0)
	}
}

// slow reports a request that takes longer than slow_request, with the stacks
// while it runs.
func (w *worker) slow(text string) {
	if strings.HasPrefix(text, "slow request, still running") {
		var b strings.Builder
		b.WriteString(text)
		b.WriteByte('\n')
		stacks(func(p []byte) error { b.Write(p); return nil })
		text = b.String()
	}
	if w.control == nil || w.control.Send(handoff.Message{Kind: handoff.NoteMsg, Level: "warn", Text: text}) != nil {
		w.log.Printf("%s", text)
	}
}

var stacking sync.Mutex // one dump at a time

// stacks has faulthandler write the stacks of all threads. It does so in a signal
// handler, which needs no GIL: a thread that hangs in C is shown too. The signal
// goes to the main thread only, because the handler must not run on the small stack
// of a goroutine.
func stacks(write func([]byte) error) error {
	if dumps.signal == 0 {
		return nil
	}
	stacking.Lock()
	defer stacking.Unlock()
	r, wr, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	end := descriptor(wr)
	unix.SetNonblock(end, false)
	err = unix.Dup3(end, dumps.fd, unix.O_CLOEXEC)
	wr.Close()
	if err != nil {
		return err
	}
	pid := os.Getpid()
	if err := unix.Tgkill(pid, pid, unix.Signal(dumps.signal)); err != nil {
		return err
	}
	buffer, patience := make([]byte, 16<<10), dumpPatience
	for {
		r.SetReadDeadline(time.Now().Add(patience))
		n, err := r.Read(buffer)
		if err != nil {
			return nil // silence: faulthandler does not say when it has finished
		}
		if err := write(buffer[:n]); err != nil {
			return err
		}
		patience = dumpSilence
	}
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && err != unix.EINTR {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}
