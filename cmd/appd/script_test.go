package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/appd-server/appd/internal/control"
	"github.com/appd-server/appd/internal/ports"
)

// patience is how long a script waits for something to become true. It is long
// because the machine may be busy; a wait ends as soon as it is true.
const patience = time.Minute

func netFileListener(f *os.File) (net.Listener, error) { return net.FileListener(f) }

// setup gives a script a run folder of its own and the tools of this machine.
func setup(env *testscript.Env) error {
	root, err := repository()
	if err != nil {
		return err
	}
	for _, dir := range []string{env.WorkDir, filepath.Dir(env.WorkDir)} {
		if err := os.Chmod(dir, 0o755); err != nil { // nginx's own user passes through
			return err
		}
	}
	env.Setenv("RUNTIME_DIRECTORY", filepath.Join(env.WorkDir, "run"))
	env.Setenv("REPO", root)
	env.Setenv("HOME", env.WorkDir)
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return err
		}
		env.Setenv(name, strings.TrimSpace(string(out)))
	}
	env.Setenv("GOFLAGS", "-mod=mod")
	env.Setenv("GOPROXY", "off")
	env.Setenv("GORACE", os.Getenv("GORACE"))
	env.Defer(func() { showLogs(env) })
	env.Defer(func() { stopLeftover(env.Getenv("RUNTIME_DIRECTORY")) })
	for i := range 3 {
		port, err := ports.Free()
		if err != nil {
			return err
		}
		env.Setenv("PORT"+strconv.Itoa(i+1), port)
	}
	return nil
}

// showLogs shows the logs of a script that fails.
func showLogs(env *testscript.Env) {
	if t, ok := env.T().(interface{ Failed() bool }); !ok || !t.Failed() {
		return
	}
	files, _ := filepath.Glob(filepath.Join(env.WorkDir, "*.log*"))
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			env.T().Log(fmt.Sprintf("[%s]\n%s", filepath.Base(file), text[max(0, len(text)-30_000):]))
		}
	}
}

// stopLeftover ends a daemon that a failing script has left behind.
func stopLeftover(runDir string) {
	path := filepath.Join(runDir, control.Name)
	process, err := control.Find(path)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	control.Call(ctx, path, control.Request{Verb: "stop", Fast: true})
	process.Wait(ctx)
}

func repository() (string, error) {
	dir, err := os.Getwd()
	return filepath.Join(dir, "..", ".."), err
}

// scriptCommands are what scripts can do besides running programs.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"get":         cmdGet,
	"getbg":       cmdGetBackground,
	"waitfile":    cmdWaitFile,
	"waitget":     cmdWaitGet,
	"waitrefused": cmdWaitRefused,
	"signal":      cmdSignal,
	"waitgone":    cmdWaitGone,
	"gomod":       cmdGoMod,
	"start":       cmdStart,
	"waitstatus":  cmdWaitStatus,
	"join":        cmdJoin,
	"envsubst":    cmdEnvSubst,
	"engine":      cmdEngine,
	"steal":       cmdSteal,
	"capture":     cmdCapture,
}

// background is an appd that a script has started.
type background struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// backgrounds are the running appds, by script and name.
var backgrounds sync.Map

// start NAME ARGUMENTS...: appd in the background; NAME.out gets what it prints. At
// the end of the script it is killed, and its workers leave by themselves.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	defer out.Close()
	b := &background{done: make(chan struct{})}
	path, err := exec.LookPath("appd")
	ts.Check(err)
	b.cmd = exec.Command(path, args[1:]...)
	b.cmd.Dir, b.cmd.Stdout, b.cmd.Stderr = ts.MkAbs("."), out, out
	b.cmd.Env = environment(ts)
	ts.Check(b.cmd.Start())
	go func() {
		defer close(b.done)
		b.cmd.Wait()
	}()
	backgrounds.Store(ts.Name()+" "+args[0], b)
	ts.Defer(func() {
		b.cmd.Process.Kill()
		<-b.done
		text, _ := os.ReadFile(out.Name())
		ts.Logf("[%s printed]\n%s", args[0], text) // seen when the script fails
	})
}

// environment is that of the script.
func environment(ts *testscript.TestScript) (env []string) {
	for _, name := range []string{"HOME", "RUNTIME_DIRECTORY", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GREETING", "PORT", "WEB_CONCURRENCY", "APPD_WORKERS", "APPD_BIND", "APPD_ENGINE"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return append(env, "PATH="+os.Getenv("PATH"), "TMPDIR="+os.TempDir())
}

// join NAME STATUS: waits until it has ended, with this exit status (-1: a signal).
func cmdJoin(ts *testscript.TestScript, _ bool, args []string) {
	v, ok := backgrounds.Load(ts.Name() + " " + args[0])
	if !ok {
		ts.Fatalf("there is no %s", args[0])
	}
	b := v.(*background)
	select {
	case <-b.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end:\n%s", args[0], ts.ReadFile(args[0]+".out"))
	}
	if got := fmt.Sprint(b.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("%s ended with %s, want %s:\n%s", args[0], got, args[1], ts.ReadFile(args[0]+".out"))
	}
}

// client speaks HTTP to an address in appd's spelling.
func client(ts *testscript.TestScript, address string) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			if path, ok := strings.CutPrefix(address, "unix:"); ok {
				return d.DialContext(ctx, "unix", ts.MkAbs(path))
			}
			return d.DialContext(ctx, "tcp", address)
		}},
	}
}

func request(ts *testscript.TestScript, address, path string) (string, error) {
	r, err := client(ts, address).Get("http://app" + path)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return fmt.Sprintf("%d %s", r.StatusCode, body), err
}

// get ADDRESS PATH: one request; the status and the body are stdout.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	text, err := request(ts, args[0], args[1])
	if (err != nil) != neg {
		ts.Fatalf("get %v: %q, %v", args, text, err)
	}
	fmt.Fprint(ts.Stdout(), text)
}

// getbg ADDRESS PATH FILE: a request in the background; its outcome goes to FILE.
func cmdGetBackground(ts *testscript.TestScript, _ bool, args []string) {
	done := make(chan struct{})
	file := ts.MkAbs(args[2])
	go func() {
		defer close(done)
		text, err := request(ts, args[0], args[1])
		if err != nil {
			text = "error: " + err.Error() + "\n"
		}
		os.WriteFile(file+".part", []byte(text), 0o644)
		os.Rename(file+".part", file)
	}()
	ts.Defer(func() { <-done })
}

// until repeats try until it says yes, or gives up.
func until(try func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if try() {
			return true
		}
	}
	return try()
}

// waitfile FILE REGEXP: until the file is there and matches.
func cmdWaitFile(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[1])
	var text []byte
	if !until(func() bool {
		var err error
		text, err = os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && re.Match(text)
	}) {
		ts.Fatalf("%s never matched %s:\n%s", args[0], args[1], text)
	}
}

// waitget ADDRESS PATH REGEXP: requests until an answer matches.
func cmdWaitGet(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[2])
	text, err := "", error(nil)
	if !until(func() bool { text, err = request(ts, args[0], args[1]); return err == nil && re.MatchString(text) }) {
		ts.Fatalf("%s%s never matched %s: %q, %v", args[0], args[1], args[2], text, err)
	}
	fmt.Fprint(ts.Stdout(), text)
}

// waitrefused ADDRESS: until nobody listens there.
func cmdWaitRefused(ts *testscript.TestScript, _ bool, args []string) {
	if !until(func() bool { _, err := request(ts, args[0], "/"); return errors.Is(err, syscall.ECONNREFUSED) }) {
		ts.Fatalf("somebody listens at %s", args[0])
	}
}

// waitstatus REGEXP: until what `appd status --json` says matches.
func cmdWaitStatus(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(args[0])
	path := filepath.Join(ts.Getenv("RUNTIME_DIRECTORY"), control.Name)
	var text []byte
	if !until(func() bool {
		s, err := askStatus(context.Background(), path)
		text, _ = json.MarshalIndent(s, "", "  ")
		return err == nil && re.Match(text)
	}) {
		ts.Fatalf("the status never matched %s:\n%s", args[0], text)
	}
}

var signalNames = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "USR1": syscall.SIGUSR1,
	"USR2": syscall.SIGUSR2, "TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU, "WINCH": syscall.SIGWINCH, "KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP,
}

// signal NAME FILE|PID: to the process whose number FILE holds.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	if err := syscall.Kill(pid(ts, args[1]), signalNames[args[0]]); err != nil {
		ts.Fatalf("signal %v: %v", args, err)
	}
}

// pid reads a number, or a file that holds one.
func pid(ts *testscript.TestScript, arg string) int {
	if n, err := strconv.Atoi(arg); err == nil {
		return n
	}
	n, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(arg)))
	if err != nil {
		ts.Fatalf("%s holds no pid: %v", arg, err)
	}
	return n
}

// waitgone PID|FILE|PATH: until the process, or a file that holds no number, is no more.
func cmdWaitGone(ts *testscript.TestScript, _ bool, args []string) {
	if n, err := strconv.Atoi(args[0]); err == nil {
		if !until(func() bool { return syscall.Kill(n, 0) == syscall.ESRCH || isZombie(n) }) {
			ts.Fatalf("process %d is still there", n)
		}
		return
	}
	path := ts.MkAbs(args[0])
	if !until(func() bool { _, err := os.Lstat(path); return os.IsNotExist(err) }) {
		ts.Fatalf("%s is still there", path)
	}
}

func isZombie(n int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n))
	return err != nil || strings.Contains(string(text), ") Z ")
}

// capture FILE REGEXP: the first group of the match in FILE (or stdout) goes into
// the variable of the third argument.
func cmdCapture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile(args[0]))
	if m == nil {
		ts.Fatalf("%s does not match %s:\n%s", args[0], args[1], ts.ReadFile(args[0]))
	}
	ts.Setenv(args[2], m[1])
}

// gomod DIR: makes DIR a module that uses this one.
func cmdGoMod(ts *testscript.TestScript, _ bool, args []string) {
	repo := ts.Getenv("REPO")
	ours, err := os.ReadFile(filepath.Join(repo, "go.mod"))
	ts.Check(err)
	sum, err := os.ReadFile(filepath.Join(repo, "go.sum"))
	ts.Check(err)
	_, requires, _ := bytes.Cut(ours, []byte("\nrequire"))
	text := fmt.Sprintf("module example\n\ngo 1.26.0\n\nrequire github.com/appd-server/appd v0.0.0\n\nreplace github.com/appd-server/appd => %s\n\nrequire%s", repo, requires)
	dir := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644))
	ts.Check(os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644))
}

// steal PATH: puts a socket file there that nobody listens on any more.
func cmdSteal(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unix"})
	ts.Check(err)
	l.SetUnlinkOnClose(false)
	l.Close()
}

var engineDir string // for the Python engine

// builtEngine builds the Python engine once for all scripts.
var builtEngine = sync.OnceValues(func() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	path := filepath.Join(engineDir, "appd_engine.abi3.so")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", path, "./server/python/engine")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// engine: builds the Python engine, unless APPD_ENGINE names one, and lets the
// script's appds find it.
func cmdEngine(ts *testscript.TestScript, _ bool, _ []string) {
	path := os.Getenv("APPD_ENGINE")
	if path == "" {
		var err error
		path, err = builtEngine()
		ts.Check(err)
	}
	ts.Setenv("APPD_ENGINE", path)
}

// envsubst FILE...: replaces $NAME by the script's variables.
func cmdEnvSubst(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(os.Expand(ts.ReadFile(file), ts.Getenv)), 0o644))
	}
}
