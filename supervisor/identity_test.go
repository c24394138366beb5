package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/accounts"
	"github.com/appd-server/appd/internal/handoff"
)

// procStatus reads a field of /proc/PID/status.
func procStatus(t *testing.T, pid int, name string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprint("/proc/", pid, "/status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(v), " ")
		}
	}
	return ""
}

// environ reads the environment of a process.
func environ(t *testing.T, pid int) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprint("/proc/", pid, "/environ"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
}

func TestIdentityOfWorkers(t *testing.T) {
	cfg := realConfig(t, "")
	cfg.App.Umask = 0o027
	before := procStatus(t, os.Getpid(), "NoNewPrivs") // 1 in some containers
	root := os.Geteuid() == 0
	if root {
		cfg.App.User, cfg.App.Group, cfg.App.Initgroups = "nobody", "daemon", true
		os.Chmod(cfg.RunDir, 0o755)
		cfg.App.Chdir = "/" // ours may be closed to nobody
		// The test binary must be within reach of nobody.
		program := filepath.Join(t.TempDir(), "worker")
		b, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, b, 0o755); err != nil {
			t.Fatal(err)
		}
		for dir := filepath.Dir(program); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
			os.Chmod(dir, 0o755)
		}
		cfg.App.Command = []string{program}
	}
	v := serve(t, cfg)
	v.allReady(2)
	for _, w := range v.status().Workers {
		if got := procStatus(t, w.PID, "Umask"); got != "0027" {
			t.Errorf("umask %s", got)
		}
		if got := procStatus(t, w.PID, "NoNewPrivs"); got != "1" {
			t.Errorf("no_new_privs %s", got)
		}
		if got := procStatus(t, w.PID, "Uid"); root && got != "65534 65534 65534 65534" {
			t.Errorf("uid %s", got)
		}
		if got := procStatus(t, w.PID, "Gid"); root && got != "1 1 1 1" {
			t.Errorf("gid %s", got)
		}
		if pgid, err := syscall.Getpgid(w.PID); err != nil || pgid != w.PID {
			t.Errorf("process group %d, %v", pgid, err)
		}
	}
	if old := syscall.Umask(0o022); old == 0o027 {
		t.Error("our own umask changed")
	} else {
		syscall.Umask(old)
	}
	if got := procStatus(t, os.Getpid(), "NoNewPrivs"); got != before {
		t.Errorf("our own no_new_privs is %s, was %s", got, before)
	}
}

// A folder or a program that is closed to the workers' user is named.
func TestWorkersMayNotEnter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs workers as somebody else")
	}
	closed := t.TempDir()
	os.Chmod(closed, 0o700)
	program := filepath.Join(closed, "worker")
	if err := os.Symlink(os.Args[0], program); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ chdir, command string }{{closed, "/bin/true"}, {"/", program}} {
		cfg := realConfig(t, "")
		cfg.App.User, cfg.App.Chdir, cfg.App.Command = "nobody", tt.chdir, []string{tt.command}
		v := begin(t, cfg)
		err := <-v.done
		want := fmt.Sprintf("user nobody cannot run %s in %s: ", tt.command, tt.chdir)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), " is closed to it (mode drwx------)") {
			t.Errorf("Run() = %v, want %q", err, want)
		}
	}
}

func TestEnvironmentOfWorkers(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	os.Unsetenv("GOMAXPROCS")
	t.Setenv("NOTIFY_SOCKET", "/nowhere")
	t.Setenv("APPD_DETACHED", "done")
	t.Setenv("FROM_OUTSIDE", "old")
	cfg := realConfig(t, "")
	cfg.App.Env = append(cfg.App.Env, "FROM_OUTSIDE=new")
	v := serve(t, cfg)
	v.allReady(2)
	env := environ(t, v.status().Workers[1].PID)
	for _, want := range []string{"APPD_WORKER_ID=1", "APPD_GENERATION=1", "APPD_WORKERS=2", "GOMAXPROCS=1", "FROM_OUTSIDE=new"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
	for _, kv := range env {
		if strings.HasPrefix(kv, "NOTIFY_SOCKET") || strings.HasPrefix(kv, "APPD_DETACHED") || kv == "FROM_OUTSIDE=old" {
			t.Errorf("%s reached the worker", kv)
		}
	}
}

// Those that run already learn their share with the number, where nobody wrote it down.
func TestResizedWorkersLearnTheirShare(t *testing.T) {
	w := &worker{gen: &generation{cfg: &Config{App: App{Kind: KindGo}}}}
	if m := w.resized(4); m.Kind != handoff.Resize || m.Workers != 4 || m.Procs != share(4) {
		t.Errorf("%+v", m)
	}
	if m := w.resized(0); m.Procs != 0 || m.Memory != 0 {
		t.Errorf("of nothing: %+v", m)
	}
	w.gen.cfg.App.Env = []string{"GOMAXPROCS=3", "GOMEMLIMIT=1GiB"}
	if m := w.resized(4); m.Procs != 0 || m.Memory != 0 {
		t.Errorf("what somebody wrote was changed: %+v", m)
	}
}

// CPUs and memory are shared out among Go workers, where nobody wrote otherwise.
func TestSharesOfWorkers(t *testing.T) {
	if got := shareOut([]string{"GOMAXPROCS=7", "GOMEMLIMIT=1"}, 2, 1000); len(got) != 2 {
		t.Errorf("what somebody wrote was changed: %q", got)
	}
	if got, want := shareOut(nil, 4, 4000), []string{"GOMAXPROCS=1", "GOMEMLIMIT=900"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := shareOut(nil, 4, 0), []string{"GOMAXPROCS=1"}; !slices.Equal(got, want) {
		t.Errorf("without a limit: %q, want %q", got, want)
	}
	top := t.TempDir()
	low := filepath.Join(top, "slice", "service")
	if err := os.MkdirAll(low, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, text := range map[string]string{low: "max\n", filepath.Dir(low): "5000\n", top: "9000\n"} {
		if err := os.WriteFile(filepath.Join(dir, "memory.max"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := lowestLimit(low, "memory.max", top); got != 5000 {
		t.Errorf("the limit of the cgroup is %d", got)
	}
}

// The supplementary groups of a user come with initgroups alone.
func TestSupplementaryGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may choose groups")
	}
	name, gid := member(t)
	app := App{User: name}
	if c, err := app.Credential(); err != nil || len(c.Groups) != 0 {
		t.Errorf("%s: %+v, %v", name, c, err)
	}
	app.Initgroups = true
	if c, err := app.Credential(); err != nil || !slices.Contains(c.Groups, gid) {
		t.Errorf("%s with initgroups: %+v, %v; want the group %d", name, c, err, gid)
	}
}

// member is a user that /etc/group names as a member of another group, and that.
func member(t *testing.T) (name string, gid uint32) {
	t.Helper()
	text, _ := os.ReadFile("/etc/group")
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[3] == "" {
			continue
		}
		name, _, _ = strings.Cut(f[3], ",")
		n, err := strconv.ParseUint(f[2], 10, 32)
		if _, known := accounts.User(name); known == nil && err == nil && name != "root" {
			return name, uint32(n)
		}
	}
	t.Skip("no user here is a member of another group")
	return "", 0
}

// Each generation follows the link anew.
func TestChdirFollowsALink(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	current := filepath.Join(dir, "current")
	os.Symlink("1", current)
	cfg := realConfig(t, "")
	cfg.App.Chdir = current
	var prepared []string
	cfg.App.Prepare = func(_ context.Context, g Generation) (Program, error) {
		prepared = append(prepared, g.Dir)
		return Program{Command: []string{os.Args[0]}}, nil
	}
	v := serve(t, cfg)
	v.allReady(2)
	at := func() string {
		wd, err := os.Readlink(fmt.Sprint("/proc/", v.status().Workers[0].PID, "/cwd"))
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Base(wd)
	}
	if got := at(); got != "1" {
		t.Errorf("first in %s", got)
	}
	os.Symlink("2", current+".new")
	os.Rename(current+".new", current)
	if err := v.s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.allReady(2)
	if got := at(); got != "2" {
		t.Errorf("then in %s", got)
	}
	if len(prepared) != 2 || filepath.Base(prepared[1]) != "2" {
		t.Errorf("prepared %q", prepared)
	}
}

func TestWhoWasKilledForMemory(t *testing.T) {
	kills := uint64(5)
	c := newOOMCounter(func() (uint64, bool) { return kills, true })
	if c.claim() {
		t.Error("an old kill was claimed")
	}
	kills += 2
	if first, second, third := c.claim(), c.claim(), c.claim(); !first || !second || third {
		t.Error("two kills are claimed twice, not more")
	}
	kills++
	c.forget()
	c.fresh = c.fresh.Add(-3 * time.Second)
	c.forget()
	if c.claim() {
		t.Error("somebody else's kill was claimed")
	}
	if _, ok := kernelOOMKills(); !ok {
		t.Error("the kernel's counter is not found")
	}
}
