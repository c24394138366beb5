// The worker: what the supervisor handed over, turned into a loop that serves.

package main

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/accesslog"
	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/server/dev"
)

func main() {} // -buildmode=c-shared wants one; nobody calls it

// worker is everything of one process. Immutable after appd_start, but the fields
// at its end.
type worker struct {
	handoff  *handoff.Handoff
	settings handoff.Settings
	whole    bool // requests start when their body is complete
	loop     *eventloop.Loop
	board    *handoff.Board
	access   *accesslog.Log
	hub      *dev.Hub      // nil but in development
	control  *handoff.Conn // nil when nobody supervises
	mounts   []cgi.Mount   // of each listener
	fronts   []cgi.Front
	log      *log.Logger
	vars     sync.Pool // *[]cgi.Var

	started atomic.Bool // the application is loaded
	leaving sync.Once
	fenced  chan struct{} // see fence

	accepting sync.Mutex // guards paused, and that the loop does as it says
	paused    bool       // the supervisor said not to accept
}

// begin takes over what text hands down. Nothing is accepted yet.
func begin(text string) (*worker, error) {
	h, err := handoff.Parse(text)
	if err != nil {
		return nil, err
	}
	for _, fd := range h.FDs() {
		unix.CloseOnExec(fd)
		if m := marks(); fd < len(m) {
			m[fd] = 1
		}
	}
	w := &worker{handoff: h, settings: handoff.Defaults(), log: log.New(os.Stderr, "", 0), fenced: make(chan struct{}, 1)}
	if len(h.Settings) > 0 {
		if err := json.Unmarshal(h.Settings, &w.settings); err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
	}
	w.whole = w.settings.BodySpool
	w.vars.New = func() any { v := make([]cgi.Var, 0, 64); return &v }
	if err := w.listen(); err != nil {
		return nil, err
	}
	w.board.Set(handoff.Width, max(1, w.settings.Threads))
	if h.Procs > 0 { // nobody set GOMAXPROCS: each thread of Python has one, Go's own work another
		runtime.GOMAXPROCS(w.settings.Threads + 1)
	}
	if h.Control != 0 {
		if w.control, err = handoff.NewConn(h.Control); err != nil {
			return nil, err
		}
		go w.obey() // from now on: an import that hangs can be looked at
	}
	return w, nil
}

// listen makes the loop and gives it the listeners.
func (w *worker) listen() (err error) {
	if w.board, err = handoff.OpenBoard(w.handoff.Scoreboard); err != nil {
		return err
	}
	format, err := accesslog.Compile(w.settings.AccessLogFormat)
	if err != nil {
		return err
	}
	who := accesslog.Worker{Slot: w.handoff.Slot, Generation: w.handoff.Generation, PID: os.Getpid()}
	w.access = accesslog.New(w.handoff.AccessLog, format, who, handoff.Now())
	config := eventloop.Config{
		Settings:  w.settings,
		Board:     w.board,
		Access:    w.access,
		Siblings:  w.handoff.Workers - 1,
		Hold:      true,
		Marks:     marks(),
		Slow:      w.slow,
		WholeBody: w.whole,
		Memory:    memory,
		PassIdle:  w.pass,
		Fence:     w.fence,
		Log:       w.log,
	}
	if w.handoff.Dev {
		w.hub = dev.NewHub(w.handoff.Born, w.settings.Mount)
		w.hub.Attach(&config)
	}
	if w.loop, err = eventloop.New(config); err != nil {
		return err
	}
	for i := range w.handoff.Listeners {
		l := &w.handoff.Listeners[i]
		ls, err := eventloop.Inherited(l)
		if err != nil {
			return err
		}
		if _, err := w.loop.Listen(ls); err != nil {
			return fmt.Errorf("%s: %w", l.Address, err)
		}
		unix.Close(l.FD)
		w.mounts = append(w.mounts, cgi.Mount{Prefix: w.settings.Mount, FromURI: l.PathFrom == "request-uri"})
		w.fronts = append(w.fronts, ls.Front)
	}
	return nil
}

// marks is C's memory in which the loop marks the descriptors of connections.
func marks() []uint8 {
	return unsafe.Slice((*uint8)(unsafe.Pointer(&C.appd_marks[0])), len(C.appd_marks))
}

// accept is what the mover asks for while all threads are inside the application; a
// pause of the supervisor's stands above it.
func (w *worker) accept(on bool) {
	w.accepting.Lock()
	defer w.accepting.Unlock()
	if on && !w.paused {
		w.loop.AcceptOn()
	} else {
		w.loop.StandAside()
	}
}

// pause stops accepting for good.
func (w *worker) pause() {
	w.accepting.Lock()
	defer w.accepting.Unlock()
	w.paused = true
	w.loop.AcceptOff()
}

// ready begins to accept and says so first, with the source files that were loaded.
func (w *worker) ready(files []string) error {
	return w.loop.Start(func() error {
		w.board.SetState(handoff.Serving)
		w.started.Store(true)
		if w.control == nil {
			return nil
		}
		err := w.control.Send(handoff.Message{Kind: handoff.Ready, Version: handoff.Version, Settings: &w.settings})
		if err == nil {
			err = w.control.SendFiles(files)
		}
		if err != nil {
			w.log.Printf("%v", err) // the supervisor is gone, and obey sees it
		}
		return nil
	})
}

// text is an error for C, which frees it; nil for none.
func text(err error) *C.char {
	if err == nil {
		return nil
	}
	return C.CString(err.Error())
}

//export appd_start
func appd_start(handed *C.char, settings **C.char, threads *C.int) *C.char {
	w, err := begin(C.GoString(handed))
	if err != nil {
		return text(err)
	}
	engine = w
	keepPace()
	shown, err := json.Marshal(w.settings)
	if err != nil {
		return text(err)
	}
	*settings, *threads = C.CString(string(shown)), C.int(max(1, w.settings.Threads))
	return nil
}

//export appd_ready
func appd_ready(files *C.char) *C.char {
	var list []string
	if err := json.Unmarshal([]byte(C.GoString(files)), &list); err != nil {
		return text(err)
	}
	return text(engine.ready(list))
}

//export appd_watch
func appd_watch(files *C.char) *C.char {
	var list []string
	if err := json.Unmarshal([]byte(C.GoString(files)), &list); err != nil || engine.control == nil {
		return text(err)
	}
	return text(engine.control.SendFiles(list))
}

//export appd_close
func appd_close() {
	engine.loop.Close()
	engine.access.Flush()
}
