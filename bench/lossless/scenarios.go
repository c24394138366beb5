// What is done to the servers while they are asked.

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// scenario is done to a running server; it returns an error when the server did not
// do what it was told.
type scenario struct {
	name    string
	recycle bool // with the files that recycle workers
	alone   bool // asks for itself, without the load
	ends    bool // the server is expected to end
	do      func(*running, *tally) error
}

var scenarios = []scenario{
	{name: "10 reloads", do: reloads},
	{name: "reload onto code that raises when imported", do: brokenCode},
	{name: "stop with 8 clients for 2 workers", alone: true, ends: true, do: stopWithQueue},
	{name: "10 s of recycling, every 100 requests", recycle: true, do: func(*running, *tally) error { time.Sleep(10 * time.Second); return nil }},
	{name: "5 workers killed by hand (SIGKILL)", do: killWorkers},
	{name: "upgrade of the binary", do: upgrade},
}

type undone string

func (u undone) Error() string { return string(u) }

func reloads(r *running, t *tally) error {
	for range 10 {
		if err := turnOver(r, t, r.reload); err != nil {
			return err
		}
		time.Sleep(time.Second) // nobody reloads faster, and uWSGI's master needs the time
	}
	return nil
}

// turnOver does something after which only new workers may answer.
func turnOver(r *running, t *tally, do func(*running) error) error {
	until(5*time.Second, func() bool { return len(t.workers()) >= 2 })
	old := t.workers()
	if err := do(r); err != nil {
		return err
	}
	if !t.awaitOthers(old, 2) {
		return undone("the old workers still answer")
	}
	return nil
}

func upgrade(r *running, t *tally) error { return turnOver(r, t, r.upgrade) }

func brokenCode(r *running, t *tally) error {
	time.Sleep(500 * time.Millisecond)
	if err := os.WriteFile(filepath.Join(r.dir, "broken"), nil, 0o644); err != nil {
		return err
	}
	if err := r.reload(r); err != nil {
		return err
	}
	time.Sleep(5 * time.Second)
	return nil
}

// stopWithQueue asks eight times for half a second of work, and stops the server
// when two of them are served and six wait.
func stopWithQueue(r *running, t *tally) error {
	c := newClient(r.port)
	var over sync.WaitGroup
	for range 8 {
		over.Go(func() { t.ask(c, false, "/slow") })
	}
	time.Sleep(250 * time.Millisecond)
	err := r.stop(r)
	over.Wait()
	if !until(10*time.Second, func() bool { return syscall.Kill(r.pid(), 0) != nil || r.ended() }) {
		return undone("it goes on")
	}
	return err
}

// ended says whether the first process has ended.
func (r *running) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// killWorkers kills whoever answered last, five times.
func killWorkers(r *running, t *tally) error {
	for range 5 {
		time.Sleep(time.Second)
		var victim string
		var last time.Time
		for pid, at := range t.workers() {
			if at.After(last) {
				victim, last = pid, at
			}
		}
		pid, err := strconv.Atoi(victim)
		if err != nil || pid <= 1 {
			return undone("nobody answers")
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second)
	return nil
}
