// The control channel: what the supervisor says, and what is done about it.

package main

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// obey reads the control channel until the supervisor dies; then the worker
// finishes its requests and leaves.
func (w *worker) obey() {
	for {
		m, fds, err := w.control.Receive()
		if errors.Is(err, handoff.ErrPacket) {
			w.log.Printf("control: %v", err)
			continue
		}
		if err != nil {
			w.leave(eventloop.DrainOptions{Queue: true}, 0, "")
			return
		}
		w.order(m, fds)
	}
}

func (w *worker) order(m handoff.Message, fds []int) {
	switch {
	case m.Kind == handoff.Drain:
		w.leave(eventloop.DrainOptions{Queue: m.Queue, Pass: m.Pass}, time.Duration(m.Grace), m.Reason)
	case m.Kind == handoff.Stop:
		w.python("worker_int", -1, 0)
		w.leave(eventloop.DrainOptions{}, time.Duration(m.Grace), m.Reason)
	case m.Kind == handoff.Pause:
		w.board.SetState(handoff.Pausing)
		w.pause()
	case m.Kind == handoff.Reload && w.hub != nil:
		if err := w.hub.Tell(m.Text); err != nil {
			w.log.Printf("%v", err)
		}
	case m.Kind == handoff.Reopen && len(fds) > 0 && w.access.Enabled():
		w.access.Reopen(fds[0])
		fds = fds[1:]
	case m.Kind == handoff.Adopt && len(fds) == 1:
		if err := w.loop.Adopt(fds[0], m.Listener, eventloop.Protocols[m.Protocol], m.Queue); err != nil {
			w.log.Printf("a connection could not be adopted: %v", err)
		}
		return
	case m.Kind == handoff.Fenced:
		select {
		case w.fenced <- struct{}{}:
		default:
		}
	case m.Kind == handoff.Resize:
		w.loop.SetSiblings(m.Workers - 1)
	case m.Kind == handoff.Dump && len(fds) == 1:
		w.dump(fds[0], m.Reason != "")
	case m.Kind == handoff.Profile && len(fds) == 1:
		w.python("profile", fds[0], m.Seconds)
		return
	}
	handoff.CloseFDs(fds)
}

// leave drains in a goroutine of its own; a second order may shorten the grace.
func (w *worker) leave(o eventloop.DrainOptions, grace time.Duration, reason string) {
	if !w.started.Load() {
		unix.Exit(0) // the application is being imported: there is nothing to finish
	}
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if grace > 0 {
		ctx, cancel = context.WithTimeout(ctx, grace)
	}
	if w.control != nil {
		w.control.Send(handoff.Message{Kind: handoff.Draining, Reason: reason})
	}
	if w.hub != nil {
		w.hub.Close()
	}
	go func() {
		defer cancel()
		w.loop.Drain(ctx, o)
		w.leaving.Do(func() { C.appd_end() })
	}()
}

// pass offers an idle kept connection to the supervisor, for another worker.
func (w *worker) pass(fd, listener int, p cgi.Protocol) bool {
	if w.control == nil {
		return false
	}
	m := handoff.Message{Kind: handoff.Passed, Listener: listener, Protocol: p.String()}
	if w.control.Send(m, fd) != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// fence asks the supervisor to answer when it has dealt with what was passed before; the
// answer is in the channel then.
func (w *worker) fence() <-chan struct{} {
	if w.control == nil || w.control.Send(handoff.Message{Kind: handoff.Fence}) != nil {
		w.fenced <- struct{}{}
	}
	return w.fenced
}

// python has the bootstrap do something, in a thread that waits for the GIL.
func (w *worker) python(kind string, fd, number int) {
	k := C.CString(kind)
	defer C.free(unsafe.Pointer(k))
	C.appd_order(k, C.int(fd), C.int(number))
}

//export appd_obeyed
func appd_obeyed(kind *C.char, fd C.int) {
	if fd >= 0 {
		unix.Close(int(fd))
		engine.control.Send(handoff.Message{Kind: handoff.Done})
	}
}

//export appd_drain
func appd_drain(signal C.int) {
	reason := "its own code"
	if signal > 0 {
		reason = unix.SignalName(unix.Signal(signal)) + " from somebody else"
	}
	engine.leave(eventloop.DrainOptions{Queue: true, Pass: !engine.loop.Alone()}, time.Duration(engine.settings.GracefulTimeout), reason)
}
