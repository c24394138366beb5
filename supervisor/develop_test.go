package supervisor

import (
	"context"
	"errors"
	"testing"
	"time"
)

// In development a newer reload takes the place of the one under way.
func TestDevelopmentSupersedes(t *testing.T) {
	w := &fakeWorld{}
	w.behave = func(p *fakeProcess, what string) {
		if p.order.gen.number != 2 { // the second generation never becomes ready
			obedient(p, what)
		}
	}
	inWorld(t, Config{Workers: 1, Dev: true}, w, func() {
		w.after(time.Second)
		first := make(chan error, 1)
		go func() { first <- w.s.Reload(context.Background()) }()
		w.after(time.Second)
		if err := w.s.Reload(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-first; !errors.Is(err, ErrSuperseded) {
			t.Errorf("the first reload: %v", err)
		}
		w.after(time.Second)
		w.want("0/3 ready")
	})
}
