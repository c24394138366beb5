package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// preloadProgram keeps the contract of a preload process and its workers.
const preloadProgram = `
import json, os, socket, sys, time
print("imported", flush=True)
h = json.loads(os.environ["APPD_HANDOFF"])
if os.environ.get("BEHAVE") == "broken": raise ValueError("no database")
if os.environ.get("BEHAVE") == "hang": time.sleep(3600)
def control(fd): return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fd)
def send(c, **m): c.send(json.dumps(m).encode())
def worker(m, fds):
    h = m["handoff"]
    os.dup2(fds[-2], 1); os.dup2(fds[-1], 2)
    os.environ.update(kv.split("=", 1) for kv in m["env"])
    print("worker", os.environ["APPD_WORKER_ID"], os.getpid(), flush=True)
    c = control(fds[h["control"] - 1])
    keep = {fds[h["control"] - 1], fds[h["scoreboard"] - 1]} | {fds[l["fd"] - 1] for l in h["listeners"]}
    for fd in fds:
        if fd not in keep: os.close(fd)
    send(c, kind="ready", version=h["version"], settings=dict(graceful_timeout="3s"))
    while True:
        p = c.recv(1 << 17)
        if not p or json.loads(p)["kind"] in ("drain", "stop"): os._exit(0)
c = control(h["control"])
send(c, kind="ready", version=h["version"])
while True:
    p, fds, flags, _ = socket.recv_fds(c, 1 << 17, 128)
    if not p: os._exit(0)
    m = json.loads(p)
    if m["kind"] in ("drain", "stop"): os._exit(0)
    if m["kind"] != "fork": continue
    r, w = os.pipe()
    a = os.fork()
    if a == 0:
        b = os.fork()
        if b == 0:
            c.close(); os.close(r); os.close(w); os.setpgid(0, 0); worker(m, fds)
        try: os.setpgid(b, b)
        except OSError: pass
        os.write(w, str(b).encode()); os._exit(0)
    os.close(w); os.waitpid(a, 0)
    send(c, kind="forked", pid=int(os.read(r, 20))); os.close(r)
    for fd in fds: os.close(fd)
`

func preloadConfig(t *testing.T, behave string) Config {
	t.Helper()
	cfg := realConfig(t, "")
	program := filepath.Join(cfg.RunDir, "preload.py")
	if err := os.WriteFile(program, []byte(preloadProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.App.Kind, cfg.App.Preload = KindPython, true
	cfg.App.Command = []string{"/usr/bin/python3", "-X", "faulthandler", program}
	cfg.App.Python = &handoff.Python{App: "x:y"}
	cfg.App.Env = []string{"BEHAVE=" + behave}
	return cfg
}

func TestPreload(t *testing.T) {
	t.Parallel()
	v := serve(t, preloadConfig(t, ""))
	v.allReady(2)
	parent := func(pid int) string { return statFields(pid)[1] }
	workers := v.status().Workers
	for _, w := range workers {
		if p := parent(w.PID); p != strconv.Itoa(os.Getpid()) {
			t.Errorf("the parent of %d is %s", w.PID, p)
		}
	}
	v.imported(1)
	syscall.Kill(workers[0].PID, syscall.SIGKILL)
	v.eventually("a report", func() bool { return len(v.status().Deaths) == 1 })
	v.allReady(2)
	if d := v.status().Deaths[0]; d.Signal != syscall.SIGKILL || d.By != ByOther {
		t.Errorf("death %+v", d)
	}
	v.imported(1)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.allReady(2)
	v.imported(2)

	// The preload process dies: the workers serve on, the next fork imports again.
	preload := v.s.gen.preload.process.pid
	syscall.Kill(preload, syscall.SIGKILL)
	v.eventually("its end is explained", func() bool { return strings.Contains(v.log.String(), "preload process died") })
	if s := v.states(); len(s) != 2 || s[0] != "ready" || s[1] != "ready" {
		t.Errorf("workers %q", s)
	}
	syscall.Kill(v.status().Workers[1].PID, syscall.SIGKILL)
	v.eventually("another report", func() bool { return len(v.status().Deaths) >= 4 })
	v.allReady(2)
	v.s.Stop(context.Background(), false)
	if err := <-v.done; err != nil {
		t.Error(err)
	}
}

// imported wants the application to have been imported n times.
func (v *service) imported(n int) {
	v.t.Helper()
	v.eventually("the import is in the log", func() bool { return strings.Count(v.log.String(), "imported") >= n })
	if got := strings.Count(v.log.String(), "imported"); got != n {
		v.t.Errorf("imported %d times, want %d", got, n)
	}
}

func TestPreloadThatFails(t *testing.T) {
	t.Parallel()
	for behave, want := range map[string]string{"broken": "exit status 1", "hang": "not imported after 8s"} {
		cfg := preloadConfig(t, behave)
		if behave == "hang" {
			cfg.BootTimeout = 8 * time.Second // in which even a slow interpreter starts to import
		}
		v := begin(t, cfg)
		err := <-v.done
		boot, ok := errors.AsType[*BootError](err)
		if !ok || !strings.Contains(boot.Reason, want) {
			t.Errorf("%s: Run() = %v", behave, err)
			continue
		}
		output := strings.Join(boot.Output, "\n")
		if behave == "broken" && !strings.Contains(output, "ValueError: no database") || behave == "hang" && !strings.Contains(output, "preload.py") {
			t.Errorf("%s: output %q", behave, output)
		}
	}
}
