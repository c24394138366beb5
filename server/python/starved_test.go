// Threads that wait for a processor: their requests are quick, however long they take.

package python_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Connections are not handed on while the thread is kept from running: it would be
// done with their requests sooner, and the machine has no processor for others either.
func TestRequestsThatWaitForAProcessor(t *testing.T) {
	w := suite(t, options{})
	var kept []net.Conn
	var answers []*bufio.Reader
	for range 4 {
		c := dial(t, w)
		kept, answers = append(kept, c), append(answers, bufio.NewReader(c))
	}
	const rounds = 10
	ask := func() {
		for _, c := range kept {
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, "GET /generator HTTP/1.1\r\nHost: h\r\n\r\n")
		}
		for _, r := range answers {
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
		}
	}
	ask()
	starve(t, w.cmd.Process.Pid)
	before := w.passed.Load()
	for range rounds {
		ask()
	}
	if n := w.passed.Load() - before; n > rounds { // a few: Go's own locks may make it sleep at the wrong moment
		t.Errorf("connections were handed on %d times for %d requests", n, rounds*len(kept))
	}
}

// starve leaves a thread little of a processor, and others of its process theirs.
func starve(t *testing.T, thread int) {
	t.Helper()
	hog := exec.Command("sh", "-c", "while :; do :; done")
	if err := hog.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hog.Process.Kill(); hog.Wait() })
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for i := 0; one.Count() == 0; i++ {
		if all.IsSet(i) {
			one.Set(i)
		}
	}
	for _, id := range []int{hog.Process.Pid, thread} {
		if err := unix.SchedSetaffinity(id, &one); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, thread, 19); err != nil {
		t.Fatal(err)
	}
}
