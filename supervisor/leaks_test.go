package supervisor

import (
	"context"
	"os"
	"syscall"
	"testing"
)

// descriptors counts ours.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Reloads and crashes of real processes leave no descriptor and no zombie. make soak
// runs ten thousand of them.
func TestNothingIsLeft(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	if os.Getenv("APPD_SOAK") != "" {
		rounds = 10_000
	}
	v := serve(t, realConfig(t, ""))
	v.allReady(2)
	soak(t, v, 5)
	before, children0 := descriptors(t), len(children())
	soak(t, v, rounds)
	v.eventually("as many descriptors as before", func() bool { return descriptors(t) <= before })
	if n := len(children()); n > children0 {
		t.Errorf("%d children, %d before", n, children0)
	}
	if _, err := v.get("0"); err != nil {
		t.Error(err)
	}
}

// soak reloads and kills in turn.
func soak(t *testing.T, v *service, rounds int) {
	t.Helper()
	for i := range rounds {
		if i%2 == 0 {
			if err := v.s.Reload(context.Background()); err != nil {
				t.Fatal(err)
			}
		} else {
			w := v.status().Workers
			if pid := w[i/2%len(w)].PID; pid > 0 { // 0 would be all of us
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	v.allReady(2)
}
