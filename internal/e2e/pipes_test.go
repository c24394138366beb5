// Logs that are named pipes: readers that stop reading, and readers that go away.

package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// follower reads a named pipe until it is told to leave.
type follower struct {
	file *os.File
	done chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

// follow opens the pipe for reading; reading begins with go f.read().
func follow(t *testing.T, path string) *follower {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &follower{file: file, done: make(chan struct{})}
}

func (f *follower) read() {
	defer close(f.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := f.file.Read(buf)
		f.mu.Lock()
		f.text.Write(buf[:n])
		f.mu.Unlock()
		if err != nil && !errors.Is(err, io.EOF) || err != nil && n == 0 {
			return
		}
	}
}

func (f *follower) leave() {
	f.file.Close()
	<-f.done
}

func (f *follower) saw(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Contains(f.text.String(), text)
}

// Neither a log that nobody reads any more nor one that is full holds up a request or
// ends a process. What was lost is counted, and told when somebody reads again.
func TestLogsThatArePipes(t *testing.T) {
	a := stoppedAppd(t, t.Name())
	access, failures := filepath.Join(a.dir, "access"), filepath.Join(a.dir, "errors")
	for _, path := range []string{access, failures} {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	full, said := follow(t, access), follow(t, failures)
	go said.read()
	fillPipe(t, access)
	a.begin(t, a.config(t, nil, fmt.Sprintf("workers = 2\naccesslog = %q\nerrorlog = %q\n", access, failures)))
	t.Cleanup(func() { a.end(t) })
	asked := 0
	ask := func() {
		t.Helper()
		for range 20 {
			asked++
			if got, err := request(a.http(), "GET", fmt.Sprintf("/whoami?number=%d", asked), nil); err != nil || got.status != 200 {
				t.Fatalf("request %d: %v, %v", asked, got, err)
			}
		}
	}
	ask() // with a full access log
	go full.read()
	eventually(t, "what was kept for the full pipe", func() bool { return full.saw("number=20 ") })

	full.leave()
	said.leave()
	ask() // with nobody at the other end
	for pid := range a.workers(t, 2) {
		syscall.Kill(pid, syscall.SIGKILL) // the reports find no reader
	}
	a.awaitWorkers(t, 2)

	full, said = follow(t, access), follow(t, failures)
	go full.read()
	go said.read()
	ask()
	eventually(t, "lines for the new reader", func() bool { return full.saw("number=60 ") })
	a.verb(t, "reload")
	eventually(t, "the loss", func() bool {
		return said.saw("lines could not be written to this log: lines=") && said.saw("broken pipe")
	})
}

// fillPipe writes into a pipe that somebody has open for reading until it takes no more.
func fillPipe(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for err == nil {
		_, err = syscall.Write(fd, []byte(strings.Repeat("x", 4095)+"\n"))
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
}
