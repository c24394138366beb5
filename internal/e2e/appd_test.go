// appd under test: one for all the cells, one of its own for each load test.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// appd is a running appd with one listener for each protocol.
type appd struct {
	*process
	dir   string // sockets, run folder, configuration
	notes string // where the application notes things
	conf  string // appd.hcl
}

// Sockets of an appd under test.
func (a *appd) fastcgi() string { return filepath.Join(a.dir, "fastcgi.sock") }
func (a *appd) uwsgi() string   { return filepath.Join(a.dir, "uwsgi.sock") }
func (a *appd) http() string    { return filepath.Join(a.dir, "http.sock") }
func (a *appd) auto() string    { return filepath.Join(a.dir, "auto.sock") }

// socket is the listener of a protocol.
func (a *appd) socket(protocol string) string { return filepath.Join(a.dir, protocol+".sock") }

// config is the text of an appd.hcl; extra stands at its end.
func (a *appd) config(t testing.TB, env map[string]string, extra string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "app {\n  name    = %q\n  command = [%q]\n  env = {\n    E2E_DIR = %q\n", filepath.Base(a.dir), binary(t, "app"), a.notes)
	for k, v := range env {
		fmt.Fprintf(&b, "    %s = %q\n", k, v)
	}
	b.WriteString("  }\n}\n\n")
	return b.String() + a.listeners() + extra
}

// listeners is one for each protocol and each front, and the run folder.
func (a *appd) listeners() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run_dir = %q\n", filepath.Join(a.dir, "run"))
	for _, protocol := range []string{"fastcgi", "uwsgi", "http", "auto"} {
		fmt.Fprintf(&b, "listen \"unix:%s\" {\n  protocol = %q\n  mode = \"0666\"\n", a.socket(protocol), protocol)
		switch protocol {
		case "http":
			fmt.Fprintf(&b, "  forwarded_hops = 1\n")
		case "fastcgi":
			fmt.Fprintf(&b, "  fastcgi_stderr = true\n")
		}
		fmt.Fprintf(&b, "}\n")
	}
	for _, front := range []string{"apache", "lighttpd", "haproxy", "caddy"} {
		fmt.Fprintf(&b, "listen \"unix:%s\" {\n  mode = \"0666\"\n  front = %q\n  fastcgi_stderr = %t\n}\n", a.socket(front), front, front != "haproxy")
	}
	fmt.Fprintf(&b, "listen \"unix:%s\" {\n  mode = \"0666\"\n  front = \"apache\"\n  uwsgi_chunked_input = true\n}\n", a.socket("router"))
	return b.String()
}

// settings of an appd that nobody disturbs.
const settings = `
workers = 2
limit_request_field_size = 65536
limit_request_fields = 2000
`

// stoppedAppd is the folders of an appd that does not run yet.
func stoppedAppd(t testing.TB, name string) *appd {
	t.Helper()
	dir := folder(t, name)
	return &appd{dir: dir, notes: subfolder(t, dir, "notes")}
}

// newAppd starts appd and waits until a request is answered.
func newAppd(t testing.TB, name string, env map[string]string, extra string) *appd {
	t.Helper()
	a := stoppedAppd(t, name)
	a.begin(t, a.config(t, env, extra))
	return a
}

// begin starts appd with a configuration and waits until a request is answered.
func (a *appd) begin(t testing.TB, config string) {
	t.Helper()
	a.conf = write(t, filepath.Join(a.dir, "appd.hcl"), config)
	a.process = launch(t, filepath.Base(a.dir)+".appd", nil, binary(t, "appd"), "-c", a.conf)
	a.awaitAnswer(t)
}

// awaitAnswer waits until a request is answered. appd listens before it can be asked
// for its status.
func (a *appd) awaitAnswer(t testing.TB) {
	t.Helper()
	a.awaitListen(t, a.http())
	eventually(t, "the first answer of "+filepath.Base(a.dir), func() bool {
		if a.ended() {
			t.Fatalf("appd ended:\n%s", a.tail())
		}
		got, err := request(a.http(), "GET", "/whoami", nil)
		return err == nil && got.status == 200
	})
}

// release lets requests go that wait for it in the application.
func (a *appd) release(t testing.TB, key, event string) {
	t.Helper()
	write(t, filepath.Join(a.notes, key+"."+event), "")
}

// ownAppd is an appd for one test, stopped at its end.
func ownAppd(t *testing.T, env map[string]string, extra string) *appd {
	t.Helper()
	a := newAppd(t, t.Name(), env, extra)
	t.Cleanup(func() { a.end(t) })
	return a
}

// end stops appd, whoever it is after upgrades, and wants nothing of it left.
func (a *appd) end(t testing.TB) {
	t.Helper()
	if a.ended() { // an upgrade has put another process in its place
		a.verb(t, "stop")
	} else if err := a.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	eventually(t, "no process of "+filepath.Base(a.dir)+" is left", func() bool { return len(a.processes(t)) == 0 })
}

// processes are the pids of everything that runs with the environment of a's workers.
func (a *appd) processes(t testing.TB) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "E2E_DIR="+a.notes+"\x00") {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

var (
	sharedOnce sync.Once
	sharedAppd *appd
)

// shared is the appd behind the fronts of all the cells.
func shared(t testing.TB) *appd {
	t.Helper()
	sharedOnce.Do(func() {
		sharedAppd = newAppd(lasting{t}, "shared", nil, settings)
	})
	if sharedAppd == nil {
		t.Fatal("the shared appd did not start")
	}
	return sharedAppd
}

// who is the worker that answered.
type who struct{ Slot, Generation, PID int }

// workers asks until n different processes have answered, and returns them.
func (a *appd) workers(t testing.TB, n int) map[int]who {
	t.Helper()
	seen := map[int]who{}
	eventually(t, fmt.Sprintf("%d workers answer", n), func() bool {
		for w := range askTogether(a.http(), 4*n) {
			seen[w.PID] = w
		}
		return len(seen) >= n
	})
	return seen
}

// awaitGeneration waits until a burst of requests is answered by generation g alone.
func (a *appd) awaitGeneration(t testing.TB, g int) {
	t.Helper()
	eventually(t, fmt.Sprintf("generation %d answers alone", g), func() bool {
		n := 0
		for w := range askTogether(a.http(), 8) {
			if w.Generation != g {
				return false
			}
			n++
		}
		return n > 0
	})
}
