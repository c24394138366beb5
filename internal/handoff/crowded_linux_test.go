package handoff

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel lets a user without privileges have only so many descriptors under way.
// Send waits until some have arrived, as those do that a worker passes while it
// leaves. The limit is the process's, so this runs in a process of its own.
func TestSendWaitsForDescriptorsUnderWay(t *testing.T) {
	const inside = "APPD_TEST_CROWDED"
	if os.Getenv(inside) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	runtime.LockOSThread() // capabilities are a thread's
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		t.Fatal(err)
	}
	up, down := pair(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 32
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	under := 0
	for ; ; under++ {
		err := down.send([]byte(`{"kind":"passed"}`), unix.UnixRights(0))
		if errors.Is(err, unix.ETOOMANYREFS) {
			break
		}
		if err != nil || under > 1000 {
			t.Fatalf("after %d descriptors: %v, want ETOOMANYREFS", under, err)
		}
	}
	received := make(chan error)
	go func() {
		time.Sleep(50 * time.Millisecond) // Send has been refused by now; if not, the test only shows less
		for range under + 1 {
			_, fds, err := up.Receive()
			CloseFDs(fds)
			if err != nil {
				received <- err
				return
			}
		}
		received <- nil
	}()
	if err := down.Send(Message{Kind: Passed}, 0); err != nil {
		t.Error(err)
		up.Close()
	}
	if err := <-received; err != nil {
		t.Error(err)
	}
}
