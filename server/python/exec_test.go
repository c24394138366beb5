// Programs of Python's with a loop of their own: the recipes of the manual.

package python_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tornado and aiohttp take the socket, are reloaded while they have requests, and
// answer those before they leave.
func TestLoopsOfTheirOwn(t *testing.T) {
	for _, name := range []string{"tornado", "aiohttp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, "../../examples/exec", fmt.Sprintf("app {\n exec = [%q, %q]\n}\nworkers = 2\n", interpreter, name+"_server.py"))
			s.begin()
			s.ready(2)
			before := s.body("/")
			if !strings.HasPrefix(before, name+" ") {
				t.Errorf("%q", before)
			}
			var wait sync.WaitGroup
			for range 8 {
				wait.Go(func() {
					if got := s.body("/slow"); got != "slowly\n" {
						t.Errorf("%q", got)
					}
				})
			}
			time.Sleep(300 * time.Millisecond) // they are under way by now; if not, the test is only weaker
			s.verb("reload")
			wait.Wait()
			// The last program of the old generation may accept until it has seen the TERM.
			eventually(t, "another answer than "+before, func() bool {
				after := s.body("/")
				return after != before && strings.HasPrefix(after, name+" ")
			})
		})
	}
}
