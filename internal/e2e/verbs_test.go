// appd's own verbs, as the tests use them.

package e2e

import (
	"encoding/json"
	"errors"
	"os/exec"
	"testing"

	"github.com/appd-server/appd/supervisor"
)

// verb runs a verb on a running appd and wants success.
func (a *appd) verb(t testing.TB, verb string, args ...string) (out string) {
	t.Helper()
	out, status := a.try(t, verb, args...)
	if status != 0 {
		t.Fatalf("appd %s: exit status %d\n%s", verb, status, out)
	}
	return out
}

// try runs a verb and returns what it printed and its exit status.
func (a *appd) try(t testing.TB, verb string, args ...string) (out string, status int) {
	t.Helper()
	text, err := exec.Command(binary(t, "appd"), append([]string{verb, "-c", a.conf}, args...)...).CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(text), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(text), 0
}

// status is what appd says about itself.
func (a *appd) status(t testing.TB) (s supervisor.Snapshot) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.verb(t, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// ready is the number of workers that are ready, if nobody is anything else; else -1.
func ready(s supervisor.Snapshot) (n int) {
	for _, w := range s.Workers {
		if w.State != "ready" {
			return -1
		}
		n++
	}
	return n
}
