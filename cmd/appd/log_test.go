package main

import (
	"errors"
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
		_, err := log.Write([]byte("late\n"))
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
	if err := <-stuck; err != nil {
		t.Errorf("the line that was stuck: %v", err)
	}
	if _, err := log.Write([]byte("afterwards\n")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "late\nafterwards\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// What a pipe without a reader could not take is counted, and told when one is there
// again; a line of which half was written is not glued to the next.
func TestLostLinesAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() *os.File {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	reader := read()
	log, err := openLog(&config.Config{ErrorLog: path})
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	for range 3 {
		if _, err := log.Write([]byte("lost\n")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("written without a reader: %v", err)
		}
	}
	if n, _ := log.Lost(); n != 0 {
		t.Errorf("%d lost lines are told while there is no reader", n)
	}
	log.losses.torn = true
	reader = read()
	if _, err := log.Write([]byte("seen\n")); err != nil {
		t.Error(err)
	}
	if n, why := log.Lost(); n != 3 || !errors.Is(why, syscall.EPIPE) {
		t.Errorf("%d lost lines, %v; want 3", n, why)
	}
	if n, _ := log.Lost(); n != 0 {
		t.Errorf("%d lost lines are told again", n)
	}
	text := make([]byte, 100)
	if n, err := reader.Read(text); string(text[:n]) != "\nseen\n" {
		t.Errorf("%q, %v", text[:n], err)
	}
}
