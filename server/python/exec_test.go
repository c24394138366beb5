// Programs of Python's with a loop of their own: the recipes of the manual.

package python_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Tornado and aiohttp take the socket, are reloaded while they have requests, and
// answer those before they leave.
func TestLoopsOfTheirOwn(t *testing.T) {
	for _, name := range []string{"tornado", "aiohttp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, "../../examples/exec", fmt.Sprintf("app {\n exec = [%q, %q]\n}\nworkers = 2\n", interpreter, name+"_server.py"))
			s.gate(name + "_server.py")
			s.begin()
			s.ready(2)
			old := s.processes(2)
			if pid := s.answeredBy(name); !slices.Contains(old, pid) {
				t.Errorf("answered by %d, not one of %d", pid, old)
			}
			var begun []net.Conn
			for range 8 {
				begun = append(begun, s.beginSlow())
			}
			reloaded := make(chan error)
			go func() {
				_, err := s.try("reload")
				reloaded <- err
			}()
			s.processes(4) // the new ones are there, and the old ones have been told to leave
			s.logged("reload done")
			touch(t, s.dir+"/gate")
			for _, c := range begun {
				if rest, err := io.ReadAll(c); err != nil || !bytes.Contains(rest, []byte("ly\n")) {
					t.Errorf("the rest of an answer: %q, %v", rest, err)
				}
			}
			if err := <-reloaded; err != nil {
				t.Error(err)
			}
			for _, pid := range old {
				eventually(t, "the end of an old one", func() bool { return unix.Kill(pid, 0) != nil })
			}
			if pid := s.answeredBy(name); slices.Contains(old, pid) {
				t.Errorf("answered by %d after its end", pid)
			}
		})
	}
}

// gate has a slow page of the example end when the test says so.
func (s *site) gate(file string) {
	s.t.Helper()
	text, err := os.ReadFile(s.dir + "/" + file)
	if err != nil {
		s.t.Fatal(err)
	}
	const slow = "await asyncio.sleep(1)\n"
	if !bytes.Contains(text, []byte(slow)) {
		s.t.Fatalf("%s has no slow page", file)
	}
	s.write(file, strings.Replace(string(text), slow, "while not os.path.exists('gate'): await asyncio.sleep(0.01)\n", 1))
}

// processes waits until there are n workers and returns their pids.
func (s *site) processes(n int) (pids []int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprint(n, " workers"), func() bool {
		pids = nil
		for _, w := range s.status().Workers {
			pids = append(pids, w.PID)
		}
		return len(pids) == n
	})
	return pids
}

// answeredBy asks for a page that says which process made it.
func (s *site) answeredBy(name string) (pid int) {
	s.t.Helper()
	got := s.body("/")
	if _, err := fmt.Sscanf(got, name+" %d under appd", &pid); err != nil {
		s.t.Fatalf("%q: %v", got, err)
	}
	return pid
}

// beginSlow asks for the slow page and returns when its answer has begun.
func (s *site) beginSlow() net.Conn {
	s.t.Helper()
	c, err := net.Dial("unix", s.dir+"/app.sock")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(60 * time.Second))
	fmt.Fprint(c, "GET /slow HTTP/1.0\r\n\r\n")
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte("slow")); {
		if _, err := c.Read(b); err != nil {
			s.t.Fatalf("%q, %v", got, err)
		}
		got = append(got, b[0])
	}
	return c
}
