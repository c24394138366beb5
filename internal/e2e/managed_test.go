// The nginx that appd manages, when appd itself changes: upgrades, a configuration
// that no longer asks for nginx, a supervisor that was killed.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// managedAppd starts an appd that manages nginx. with writes a configuration that does
// so in a run folder of this name, without one that does not.
func managedAppd(t *testing.T) (a *appd, addr string, with func(run string), without func()) {
	t.Helper()
	need(t, "nginx")
	a, addr = stoppedAppd(t, t.Name()), freeAddr(t)
	plain := a.config(t, nil, "workers = 1\n")
	a.conf = filepath.Join(a.dir, "appd.hcl")
	with = func(run string) {
		text := plain + fmt.Sprintf("nginx {\n  manage = true\n  listen = %q\n  upstream = \"unix:%s\"\n}\n", addr, a.fastcgi())
		write(t, a.conf, strings.Replace(text, `/run"`, `/`+run+`"`, 1))
	}
	without = func() { write(t, a.conf, plain) }
	with("run")
	a.process = launch(t, t.Name()+".appd", nil, binary(t, "appd"), "-c", a.conf)
	a.awaitLog(t, "nginx ready")
	return a, addr, with, without
}

// nginx is the pid of the nginx master that belongs to a's run folder, 0 without one.
func (a *appd) nginx() int {
	text, _ := os.ReadFile(filepath.Join(a.dir, "run", "nginx", "nginx.pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// Upgrades keep the nginx, its sockets and its requests; one to a configuration that
// asks for no nginx ends it when the old appd has gone, and a reload can bring it back.
func TestManagedNginxInUpgrades(t *testing.T) {
	a, addr, with, without := managedAppd(t)
	t.Cleanup(func() { a.end(t) })
	before := a.nginx()
	ok(t, addr, "GET", "/whoami", nil)
	a.verb(t, "upgrade")
	ok(t, addr, "GET", "/whoami", nil)
	if now := a.nginx(); now != before || before == 0 {
		t.Errorf("nginx %d after an upgrade, before %d", now, before)
	}

	with("elsewhere")
	if out, status := a.try(t, "upgrade"); status != 1 || !strings.Contains(out, "run_dir changed") {
		t.Errorf("an upgrade with another run folder: %d %s", status, out)
	}
	with("run")
	ok(t, addr, "GET", "/whoami", nil)

	without()
	a.verb(t, "upgrade")
	eventually(t, "nginx ends that nobody asks for", func() bool { return syscall.Kill(before, 0) == syscall.ESRCH })
	ok(t, a.http(), "GET", "/whoami", nil)

	with("run")
	a.verb(t, "reload")
	eventually(t, "nginx serves again", func() bool {
		got, err := request(addr, "GET", "/whoami", nil)
		return err == nil && got.status == 200
	})
}

// A killed supervisor leaves its nginx running, which the next appd adopts, or ends if
// its configuration has none.
func TestManagedNginxOfAKilledSupervisor(t *testing.T) {
	a, addr, _, without := managedAppd(t)
	before := a.nginx()
	again := func() {
		a.signal(t, syscall.SIGKILL)
		<-a.done
		a.process = launch(t, t.Name()+".appd", nil, binary(t, "appd"), "-c", a.conf)
	}
	again()
	a.awaitLog(t, "nginx adopted")
	ok(t, addr, "GET", "/whoami", nil)
	if now := a.nginx(); now != before {
		t.Errorf("nginx %d, before %d", now, before)
	}
	without()
	again()
	a.awaitLog(t, "nginx is no longer wanted")
	eventually(t, "nginx ends that nobody asks for", func() bool { return syscall.Kill(before, 0) == syscall.ESRCH })
	a.end(t)
}
