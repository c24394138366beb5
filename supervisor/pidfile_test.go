package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	claim := func() (*pidfile, error) {
		s := newSupervisor(Config{PIDFile: path})
		return s.claimPIDFile()
	}
	first, err := claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("there before anybody is ready")
	}
	rival, err := claim()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.write(); err != nil {
		t.Fatal(err)
	}
	if err := rival.write(); !errors.As(err, new(*InUseError)) {
		t.Errorf("a rival of the same moment: %v", err)
	}
	if _, err := claim(); !errors.As(err, new(*InUseError)) {
		t.Errorf("a later one: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("it holds %q", b)
	}
	first.file.Close() // as if we had died
	second, err := claim()
	if err != nil {
		t.Fatal("a stale one:", err)
	}
	if err := second.write(); err != nil {
		t.Fatal(err)
	}
	if err := second.remove(false); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("still there")
	}
}
