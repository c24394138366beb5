// Applications that misbehave, under the real appd: each end is explained, and the
// others go on.

package python_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/supervisor"
)

// villain is an application whose paths misbehave.
const villain = `
import ctypes, os, signal, subprocess, sys, time
kept = []
def lock_twice():
    libc = ctypes.PyDLL(None)  # which keeps the GIL
    mutex = (ctypes.c_char * 64)()
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)
def end(how):
    if how == "exit":
        print("leaving in the middle of a request", file=sys.stderr)
        os._exit(9)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "abort":
        os.abort()
    if how == "sleep":
        time.sleep(1000)
    if how == "spin":
        while True:
            pass
    if how == "hang-in-C":
        lock_twice()
    if how == "grow":
        kept.append(bytearray(os.urandom(1) * (200 << 20)))
    if how == "flood":
        for _ in range(10000):
            print("flood " * 170)
    if how == "children":
        return str(subprocess.Popen(["sleep", "1000"]).pid)
    return str(os.getpid())
def application(environ, start_response):
    if environ["PATH_INFO"] == "/neighbour":
        environ["appd.timeout"](0)
        while not os.path.exists("gate"):
            time.sleep(0.01)
    body = end(environ["PATH_INFO"][1:])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
`

// misbehave starts appd with an application of one file and waits until n workers
// are ready; app and rest are as in config.
func misbehave(t *testing.T, n int, app, rest string) *site {
	t.Helper()
	s := prepare(t, "", config("app", app, fmt.Sprintf("workers = %d\n%s", n, rest)))
	s.write("app.py", villain)
	s.begin()
	s.ready(n)
	return s
}

func (s *site) status() (got supervisor.Snapshot) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.verb("status", "--json")), &got); err != nil {
		s.t.Fatal(err)
	}
	return got
}

// ready waits until n workers are ready.
func (s *site) ready(n int) {
	s.t.Helper()
	s.readyWithin(n, 60*time.Second)
}

func (s *site) readyWithin(n int, d time.Duration) {
	s.t.Helper()
	for deadline := time.Now().Add(d); ; time.Sleep(10 * time.Millisecond) {
		out, err := s.try("status", "--json")
		if err == nil && strings.Count(out, `"state": "ready"`) == n {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d workers are not ready: %v\n%s", n, err, out)
		}
	}
}

// death waits for the report on process pid.
func (s *site) death(pid int) supervisor.Death {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for _, d := range s.status().Deaths {
			if d.PID == pid {
				return d
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("no report on process %d", pid)
		}
	}
}

// ask sends a GET to appd itself and returns all that comes back.
func (s *site) ask(path string) string {
	s.t.Helper()
	c, err := net.Dial("unix", s.dir+"/app.sock")
	if err != nil {
		s.t.Error(err)
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(90 * time.Second))
	fmt.Fprintf(c, "GET %s HTTP/1.0\r\n\r\n", path)
	b, _ := io.ReadAll(c) // a reset is an end as well
	return string(b)
}

// body is what follows the head of an answer with status 200.
func (s *site) body(path string) string {
	s.t.Helper()
	head, body, _ := strings.Cut(s.ask(path), "\r\n\r\n")
	if !strings.Contains(head, " 200 ") {
		s.t.Errorf("%s: %q", path, head)
	}
	return body
}

// A worker that ends in the middle of a request: the report says who did it, how,
// what was lost and what the process said last.
func TestDeathsInARequest(t *testing.T) {
	s := misbehave(t, 1, "", "timeout = \"60s\"")
	for _, c := range []struct {
		path   string
		reason supervisor.Reason
		by     supervisor.Killer
		says   []string
	}{
		{"/exit", supervisor.Crashed, "", []string{"leaving in the middle of a request"}},
		{"/segfault", supervisor.Crashed, supervisor.ByItself, []string{"Fatal Python error: Segmentation fault", "in string_at", "in end"}},
		{"/abort", supervisor.Crashed, supervisor.ByItself, []string{"Fatal Python error: Aborted", "in end"}},
		{"/sleep", supervisor.Killed, supervisor.ByOther, nil},
	} {
		s.ready(1)
		pid := s.status().Workers[0].PID
		answer := make(chan string)
		go func() { answer <- s.ask(c.path) }()
		if c.by == supervisor.ByOther {
			s.inFlight(c.path)
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if got := <-answer; got != "" {
			t.Errorf("%s: answer %q", c.path, got)
		}
		d := s.death(pid)
		if d.Reason != c.reason || d.By != c.by || len(d.InFlight) != 1 || d.InFlight[0].Path != c.path {
			t.Errorf("%s: report %+v", c.path, d)
		}
		for _, text := range c.says {
			if !strings.Contains(strings.Join(d.Output, "\n"), text) {
				t.Errorf("%s: the report lacks %q:\n%s", c.path, text, strings.Join(d.Output, "\n"))
			}
		}
		s.logged("GET " + c.path + " for ")
	}
}

// A request that hangs, wherever it does: the stacks of all threads, the request and
// a line in the access log; a neighbour in the same process is answered first.
func TestStuckRequests(t *testing.T) {
	for name, c := range map[string]struct{ path, app, where string }{
		"one thread": {"/sleep", "", "in end"},
		"threads":    {"/spin", "threads = 2", "in end"},
		"in C":       {"/hang-in-C", "", "in lock_twice"},
		"preload":    {"/sleep", "preload_app = true", "in end"},
		"gevent":     {"/sleep", `worker_class = "gevent"`, "stacks="},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "one thread" {
				t.Skip("one thread stands for all in a short run")
			}
			t.Parallel()
			s := misbehave(t, 1, c.app, "timeout = \"2s\"\naccesslog = \"access.log\"")
			pid := s.status().Workers[0].PID
			neighbour := make(chan string, 1)
			if name == "threads" {
				go func() { neighbour <- s.ask("/neighbour") }()
				s.inFlight("/neighbour")
			}
			stuck := make(chan string, 1)
			go func() { stuck <- s.ask(c.path) }()
			if name == "threads" {
				s.logged("request stuck, replacing worker")
				touch(t, s.dir+"/gate")
				if got := <-neighbour; !strings.Contains(got, " 200 ") {
					t.Errorf("the neighbour: %q", got)
				}
			}
			if got := <-stuck; strings.Contains(got, " 200 ") {
				t.Errorf("answer %q", got)
			}
			d := s.death(pid)
			if d.Reason != supervisor.TimedOut || d.By != supervisor.ByUs || len(d.InFlight) != 1 || d.InFlight[0].Path != c.path {
				t.Errorf("report %+v", d)
			}
			s.logged("stacks of the worker")
			s.logged(c.where)
			s.logged("request stuck, replacing worker")
			s.ready(1)
			if s.body("/") == fmt.Sprint(pid) {
				t.Error("the stuck worker answered")
			}
			s.inFile("access.log", "GET "+c.path)
		})
	}
}

// inFile waits until a file holds text.
func (s *site) inFile(name, text string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("in %s: %q", name, text), func() bool {
		b, _ := os.ReadFile(s.dir + "/" + name)
		return strings.Contains(string(b), text)
	})
}

// A worker that does not leave when it is told to is ended after graceful_timeout;
// one that is stopped is found; the other worker serves meanwhile.
func TestWorkersThatDoNotLeave(t *testing.T) {
	s := misbehave(t, 2, "", "timeout = \"3s\"\ngraceful_timeout = \"1s\"")
	lost := make(chan string)
	go func() { lost <- s.ask("/sleep") }()
	s.inFlight("/sleep")
	var busy int
	for _, w := range s.status().Workers {
		if len(w.InFlight) > 0 {
			busy = w.PID
		}
	}
	s.verb("reload")
	d := s.death(busy)
	if d.Reason != supervisor.Reloaded && d.Reason != supervisor.TimedOut || d.By != supervisor.ByUs || len(d.InFlight) != 1 {
		t.Errorf("report %+v", d)
	}
	if got := <-lost; got != "" {
		t.Errorf("answer %q", got)
	}

	s.ready(2)
	stopped := s.status().Workers[0].PID
	syscall.Kill(stopped, syscall.SIGSTOP)
	if d := s.death(stopped); d.Reason != supervisor.Silent || !strings.Contains(d.Why, "SIGSTOP") {
		t.Errorf("report %+v", d)
	}
	s.ready(2)
	s.body("/")
}

// Memory, output and children.
func TestGreed(t *testing.T) {
	s := misbehave(t, 1, "", "max_memory = \"100MiB\"")
	child := 0
	fmt.Sscan(s.body("/children"), &child)
	s.body("/flood")
	eventually(t, "10000 lines of output in the log", func() bool { return strings.Count(s.log.String(), "flood : worker=0") >= 10000 })
	first := s.body("/grow")
	pid := 0
	fmt.Sscan(first, &pid)
	if d := s.death(pid); d.Reason != supervisor.MaxMemory || len(d.InFlight) != 0 {
		t.Errorf("report %+v", d)
	}
	eventually(t, "the end of the worker's child", func() bool { return unix.Kill(child, 0) != nil })
	s.ready(1)
	if s.body("/") == first {
		t.Error("the worker that grew answered")
	}
}

// Applications that do not come up: exit status 3, and why.
func TestBoots(t *testing.T) {
	for name, c := range map[string]struct {
		code, app, rest string
		want            []string
	}{
		"exit":     {"import os, sys\nprint('no database', file=sys.stderr)\nos._exit(7)\n", "", "", []string{"exit status 7", "no database"}},
		"segfault": {"import ctypes\nctypes.string_at(0)\n", "", "", []string{"SIGSEGV", "Fatal Python error: Segmentation fault", "app.py\", line 2 in <module>"}},
		"hangs":    {"import time\ndef connect():\n    time.sleep(1000)\nconnect()\n", "", "boot_timeout = 8", []string{"not ready after 8s", "line 3 in connect"}},
		"hangs in C": {"import ctypes\ndef connect():\n    mutex = (ctypes.c_char * 64)()\n    for _ in range(2): ctypes.PyDLL(None).pthread_mutex_lock(mutex)\nconnect()\n", "", "boot_timeout = 8",
			[]string{"not ready after 8s", "line 4 in connect"}},
		"never ready":    {"import time\ndef init(worker):\n    time.sleep(1000)\napplication = init\n", "", "hook \"post_worker_init\" { python = \"app:init\" }\nboot_timeout = 8", []string{"not ready after 8s", "line 3 in init"}},
		"raises":         {"raise ValueError('no configuration')\n", "", "", []string{"app.py\", line 1", "ValueError: no configuration"}},
		"preload exits":  {"import os, sys\nprint('no database', file=sys.stderr)\nos._exit(7)\n", "preload_app = true", "", []string{"exit status 7", "no database"}},
		"preload hangs":  {"import time\ndef connect():\n    time.sleep(1000)\nconnect()\n", "preload_app = true", "boot_timeout = 8", []string{"not imported after 8s", "line 3 in connect"}},
		"preload raises": {"raise ValueError('no configuration')\n", "preload_app = true", "", []string{"app.py\", line 1", "ValueError: no configuration"}},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && (strings.Contains(name, " ") || name == "hangs") {
				t.Skip("takes its time")
			}
			t.Parallel()
			s := prepare(t, "", config("app", c.app, "workers = 1\n"+c.rest))
			s.write("app.py", c.code)
			s.begin()
			select {
			case <-s.ended:
			case <-time.After(60 * time.Second):
				t.Fatal("appd does not give up")
			}
			if code := s.appd.ProcessState.ExitCode(); code != 3 {
				t.Errorf("exit status %d", code)
			}
			for _, text := range c.want {
				if !strings.Contains(s.log.String(), text) {
					t.Errorf("not said: %q", text)
				}
			}
		})
	}
}

// An application that dies again and again backs off; the worker that lives serves.
func TestCrashLoop(t *testing.T) {
	s := misbehave(t, 2, "", "")
	s.write("crash", "")
	s.write("app.py", villain+"\nif os.path.exists('crash') and os.environ['APPD_WORKER_ID'] == '1': os._exit(6)\n")
	for _, w := range s.status().Workers {
		if w.Slot == 1 {
			syscall.Kill(w.PID, syscall.SIGKILL)
		}
	}
	for _, wait := range []string{"after=100ms", "after=200ms", "after=400ms"} {
		s.logged(wait)
		s.body("/")
	}
	if n := s.status().DeathCount[supervisor.BootFailed]; n > 10 {
		t.Errorf("%d starts: it does not back off", n)
	}
	os.Remove(s.dir + "/crash")
	s.ready(2)
}
