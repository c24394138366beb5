// Paths of a worker's life: requests that never end, deaths of every kind, and what
// the process is.

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/appd-server/appd/server"
)

// ownLimit lets a request set its own timeout: limit=MS.
func ownLimit(w http.ResponseWriter, r *http.Request) {
	if ms := number(r, "limit", 0); ms > 0 {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Duration(ms) * time.Millisecond))
	}
}

// stuck ignores everything for s seconds.
func stuck(w http.ResponseWriter, r *http.Request) {
	ownLimit(w, r)
	note(r, "began", "")
	time.Sleep(time.Duration(number(r, "s", 60)) * time.Second)
}

// obey answers as soon as its context ends, and says why it ended.
func obey(w http.ResponseWriter, r *http.Request) {
	ownLimit(w, r)
	note(r, "began", "")
	<-r.Context().Done()
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprint(w, context.Cause(r.Context()))
}

// patient takes ms milliseconds under a limit of its own.
func patient(w http.ResponseWriter, r *http.Request) {
	ownLimit(w, r)
	select {
	case <-time.After(time.Duration(number(r, "ms", 100)) * time.Millisecond):
		io.WriteString(w, "patient")
	case <-r.Context().Done():
		http.Error(w, context.Cause(r.Context()).Error(), http.StatusServiceUnavailable)
	}
}

// crash panics in a goroutine, which no server can catch.
func crash(http.ResponseWriter, *http.Request) {
	go panic("nobody catches this")
	select {}
}

// suicide ends the process with a signal: sig=N.
func suicide(_ http.ResponseWriter, r *http.Request) {
	syscall.Kill(os.Getpid(), syscall.Signal(number(r, "sig", 9)))
	select {}
}

// forks leaves a child behind that outlives any worker unless somebody ends it.
func forks(w http.ResponseWriter, _ *http.Request) {
	cmd := exec.Command("sleep", "300")
	if err := cmd.Start(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, cmd.Process.Pid)
}

// floods writes mb mebibytes to stderr.
func floods(w http.ResponseWriter, r *http.Request) {
	line := strings.Repeat("flood ", 170) + "\n"
	for range number(r, "mb", 1) << 10 {
		io.WriteString(os.Stderr, line)
	}
	io.WriteString(w, "flooded")
}

// self is /proc/self/status, the folder and the environment variable APPD_WORKER_ID.
func self(w http.ResponseWriter, _ *http.Request) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = err.Error()
	}
	fmt.Fprintf(w, "%sCwd:\t%s\nWorkerID:\t%s\n", text, dir, os.Getenv("APPD_WORKER_ID"))
}

// farewell streams until the worker drains, and says goodbye then.
func farewell(w http.ResponseWriter, r *http.Request) {
	leaving := make(chan struct{})
	stop := server.OnDrain(func() { close(leaving) })
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	io.WriteString(w, "data: hello\n\n")
	http.NewResponseController(w).Flush()
	select {
	case <-leaving:
		io.WriteString(w, "data: goodbye\n\n")
	case <-r.Context().Done():
	}
}
