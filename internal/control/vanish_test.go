package control

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A server whose file was removed can be told, and leaves after its last answer when
// another has its path.
func TestVanished(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	s, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	asked, answer := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.Serve(t.Context(), func(context.Context, Request) Answer {
			close(asked)
			<-answer
			return Answer{Status: 7}
		})
	}()
	answered := make(chan int, 1)
	go func() {
		a, _ := Call(t.Context(), path, Request{})
		answered <- a.Status
	}()
	<-asked
	if s.Vanished() {
		t.Error("it is there")
	}
	os.Remove(path)
	if !s.Vanished() {
		t.Error("it is gone")
	}
	serve(t, path, echo)
	s.Retire()
	close(answer)
	if status := <-answered; status != 7 {
		t.Errorf("the answer under way: %d", status)
	}
	<-ended
	if s.Vanished() {
		t.Error("the other's socket is gone")
	}
}
