package supervisor

import (
	"context"
	"errors"
	"os/user"
	"strconv"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// addresses are listeners without wishes.
func addresses(list ...string) (specs []Listener) {
	for _, a := range list {
		specs = append(specs, Listener{Worker: handoff.Listener{Address: a}})
	}
	return specs
}

// While a directory of users takes minutes to answer, the loop serves everybody else,
// and a stop ends the wait.
func TestASlowDirectoryHoldsUpNobody(t *testing.T) {
	cfg := Config{App: App{Kind: KindGo, Command: []string{"app"}}, Workers: 1, Listeners: addresses("one")}
	more := cfg
	more.Listeners = addresses("one", "two")
	cfg.Load = func(context.Context) (Config, error) { return more, nil }
	w := &fakeWorld{}
	reloaded := make(chan error, 1)
	inWorld(t, cfg, w, func() {
		w.after(time.Second)
		asked := 0
		w.asks = func() { asked++; time.Sleep(10 * time.Minute) }
		go func() { reloaded <- w.s.Reload(context.Background()) }()
		w.after(time.Second)
		begun := time.Now()
		w.s.Scale(context.Background(), 2)
		w.after(time.Second)
		w.want("0/1 ready", "1/1 ready")
		if d := time.Since(begun); d > 2*time.Second || asked != 1 {
			t.Errorf("two steps took %v, %d listeners were asked about", d, asked)
		}
		w.s.Stop(context.Background(), false)
		if err := <-reloaded; !errors.Is(err, ErrStopping) {
			t.Errorf("Reload() = %v", err)
		}
		w.after(15 * time.Minute)
	})
}

// Who is in use already is not asked about again: a reload works while the directory does
// not, unless it needs something new.
func TestAReloadAsksOnlyForWhatIsNew(t *testing.T) {
	cfg := Config{App: App{Kind: KindGo, Command: []string{"app"}}, Workers: 1, Listeners: addresses("one", "two")}
	next := cfg
	next.Listeners = addresses("one", "two")
	next.Listeners[1].Group = "somebody"
	cfg.Load = func(context.Context) (Config, error) { return next, nil }
	asked := 0
	w := &fakeWorld{asks: func() { asked++ }}
	inWorld(t, cfg, w, func() {
		w.after(time.Second)
		for range 2 {
			if err := w.s.Reload(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	if asked != 3 {
		t.Errorf("asked %d times, want 3: two at first, one that changed", asked)
	}
}

func TestLookUp(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	n := lookUp(Listener{Worker: handoff.Listener{Address: "unix:/x"}, Owner: me.Username, Group: me.Gid, FrontUser: me.Uid})
	if strconv.Itoa(n.owner) != me.Uid || strconv.Itoa(n.group) != me.Gid || n.wrong != nil || n.webGroups != nil || strconv.Itoa(n.front.uid) != me.Uid {
		t.Errorf("%+v", n)
	}
	if n := lookUp(Listener{Worker: handoff.Listener{Address: "unix:/x"}, Owner: "no such user"}); n.wrong == nil || n.group != -1 {
		t.Errorf("%+v", n)
	}
	if n := lookUp(addresses("127.0.0.1:80")[0]); n.address.String() != "127.0.0.1:80" {
		t.Errorf("%+v", n)
	}
	if n := lookUp(addresses("no port")[0]); n.unresolved == nil {
		t.Errorf("%+v", n)
	}
}

// named is spec with what its names stand for.
func named(spec Listener) Listener {
	spec.names = lookUp(spec)
	return spec
}
