package main

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/config"
)

// A log that takes no more holds up who writes to it, but not its reopening; and a pipe
// that nobody reads is no log.
func TestStuckLogIsReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(&config.Config{ErrorLog: path}); err == nil {
		t.Error("opened a pipe that nobody reads")
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	log, err := openLog(&config.Config{ErrorLog: path})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // until the pipe is full
		reader.SetWriteDeadline(time.Now().Add(time.Millisecond))
		_, err = reader.Write(make([]byte, 4<<10))
	}
	stuck := make(chan error, 1)
	go func() {
		_, err := log.Write([]byte("lost\n"))
		stuck <- err
	}()
	for log.writing.TryLock() { // it has not come that far yet
		log.writing.Unlock()
		runtime.Gosched()
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	reopened := make(chan error, 1)
	go func() { reopened <- log.Reopen() }()
	select {
	case err := <-reopened:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("a stuck log cannot be reopened")
	}
	if err := <-stuck; err == nil {
		t.Error("a line was written into a full pipe")
	}
	if _, err := log.Write([]byte("afterwards\n")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "afterwards\n" {
		t.Errorf("%q, %v", text, err)
	}
}
