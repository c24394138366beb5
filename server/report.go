// Reports: stacks and profiles, written to a descriptor of the supervisor's.

//go:build linux

package server

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// report writes what write writes to the first descriptor and says that it is
// done. It takes its time in a goroutine, so that the line stays free.
func (w *worker) report(m handoff.Message, fds []int, write func(*os.File) error) []int {
	if len(fds) == 0 {
		return fds
	}
	f := os.NewFile(uintptr(fds[0]), string(m.Kind))
	go func() {
		err := errors.Join(write(f), f.Close())
		done := handoff.Message{Kind: handoff.Done, Reason: string(m.Kind)}
		if err != nil {
			done.Text = err.Error()
		}
		w.line.Send(done)
	}()
	return fds[1:]
}

// writeStacks writes the stacks of all goroutines.
func writeStacks(f *os.File) error {
	for size := 1 << 20; ; size *= 2 {
		p := make([]byte, size)
		if n := runtime.Stack(p, true); n < size || size >= 64<<20 {
			_, err := f.Write(p[:n])
			return err
		}
	}
}

// writeProfile writes a CPU profile in the format of pprof.
func writeProfile(f *os.File, seconds int) error {
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	time.Sleep(time.Duration(max(seconds, 1)) * time.Second)
	pprof.StopCPUProfile()
	return nil
}
