package supervisor

import (
	"os/exec"
	"testing"
	"time"
)

// An orphan that became our child is reaped once it has been a zombie for a while,
// and not before: somebody might wait for it.
func TestStrangersAreReaped(t *testing.T) {
	if err := becomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	before := map[int]bool{}
	for _, pid := range children() {
		before[pid] = true
	}
	if err := exec.Command("sh", "-c", "setsid sleep 0.01 & exit 0").Run(); err != nil {
		t.Fatal(err)
	}
	orphan := 0
	zombie := func() bool {
		for _, pid := range children() {
			if f := statFields(pid); !before[pid] && len(f) > 0 && f[0] == "Z" {
				orphan = pid
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(longEnough); !zombie(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no orphan came to us")
		}
	}
	r := &strangers{}
	r.reap()
	r.reap()
	if statFields(orphan) == nil {
		t.Fatal("reaped at once")
	}
	r.seen[orphan] = time.Now().Add(-strangerTime)
	r.reap()
	if statFields(orphan) != nil {
		t.Error("still a zombie")
	}
}
