// The servers, each used as its manual says.

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// application is the same for all.
const application = `import os, sys, time
sys.path.insert(0, os.path.dirname(__file__))
time.sleep(0.5)
if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken")):
    raise RuntimeError("broken on purpose")

def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/slow"):
        time.sleep(0.5)
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"pid %d" % os.getpid()]
`

// contender is a server program.
type contender struct {
	name    string
	pass    string // nginx's directive
	files   map[string]string
	start   []string
	reload  func(*running) error
	stop    func(*running) error
	upgrade func(*running) error
	recycle map[string]string // files that make it replace a worker every 100 requests
}

// running is a started server.
type running struct {
	*contender
	dir  string
	port int
	cmd  *exec.Cmd
	done chan struct{}
}

// contenders are the servers; DIR stands for the folder of each.
func contenders(appd, python string) []*contender {
	hcl := `app {
  name   = "bench"
  wsgi   = "app:application"
  python = "` + python + `"
}
run_dir = "run"
workers = 2
pidfile = "pid"
listen "unix:sock" {
  protocol = "uwsgi"
  mode     = "0666"
}
`
	ini := "[uwsgi]\nmaster = true\nprocesses = 2\nplugins = python3\nsocket = DIR/sock\nchmod-socket = 666\nchdir = DIR\nmodule = app\npidfile = DIR/pid\nmaster-fifo = DIR/fifo\ndisable-logging = true\n"
	gunicorn := "bind = 'unix:DIR/sock'\nworkers = 2\npidfile = 'DIR/pid'\nchdir = 'DIR'\numask = 0\nloglevel = 'warning'\n"
	return []*contender{
		{
			name: "appd", pass: "include /etc/nginx/uwsgi_params; uwsgi_pass unix:%s;",
			files: map[string]string{"appd.hcl": hcl}, start: []string{appd, "-c", "DIR/appd.hcl"},
			reload:  signal(syscall.SIGHUP),
			stop:    signal(syscall.SIGTERM),
			upgrade: signal(syscall.SIGUSR2),
			recycle: map[string]string{"appd.hcl": hcl + "max_requests = 100\n"},
		},
		{
			name: "gunicorn", pass: "proxy_pass http://unix:%s;",
			files: map[string]string{"conf.py": gunicorn}, start: []string{"gunicorn", "-c", "DIR/conf.py", "app:application"},
			reload:  signal(syscall.SIGHUP),
			stop:    signal(syscall.SIGTERM),
			upgrade: gunicornUpgrade,
			recycle: map[string]string{"conf.py": gunicorn + "max_requests = 100\n"},
		},
		{
			name: "uWSGI", pass: "include /etc/nginx/uwsgi_params; uwsgi_pass unix:%s;",
			files: map[string]string{"uwsgi.ini": ini}, start: []string{"uwsgi", "--ini", "DIR/uwsgi.ini"},
			reload:  signal(syscall.SIGHUP),
			stop:    func(r *running) error { return os.WriteFile(filepath.Join(r.dir, "fifo"), []byte("q"), 0) },
			upgrade: signal(syscall.SIGHUP), // its reload executes the binary anew
			recycle: map[string]string{"uwsgi.ini": ini + "max-requests = 100\n"},
		},
	}
}

// signal sends sig to the process that the pidfile names.
func signal(sig syscall.Signal) func(*running) error {
	return func(r *running) error { return syscall.Kill(r.pid(), sig) }
}

// gunicornUpgrade is the manual's: USR2, wait for the new master, TERM to the old one.
func gunicornUpgrade(r *running) error {
	old := r.pid()
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		return err
	}
	fresh := filepath.Join(r.dir, "pid.2")
	if !until(10*time.Second, func() bool { _, err := os.Stat(fresh); return err == nil }) {
		return fmt.Errorf("no new master")
	}
	time.Sleep(2 * time.Second) // its manual: check that the new workers serve
	return syscall.Kill(old, syscall.SIGTERM)
}

// pid is the main process, as its pidfile says.
func (r *running) pid() int {
	text, err := os.ReadFile(filepath.Join(r.dir, "pid"))
	if err != nil {
		return r.cmd.Process.Pid
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return r.cmd.Process.Pid
	}
	return pid
}

// launch starts c in a folder of its own.
func (c *contender) launch(dir string, port int, files map[string]string) (*running, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte(application), 0o644); err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			return nil, err
		}
	}
	argv := make([]string, len(c.start))
	for i, a := range c.start {
		argv[i] = strings.ReplaceAll(a, "DIR", dir)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r := &running{contender: c, dir: dir, port: port, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = dir, log, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		r.cmd.Wait()
		close(r.done)
	}()
	if !r.serves(15 * time.Second) {
		r.kill()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s does not serve:\n%s", c.name, text)
	}
	return r, nil
}

// serves says whether a request is answered within limit.
func (r *running) serves(limit time.Duration) bool {
	c := newClient(r.port)
	c.Timeout = 3 * time.Second
	return until(limit, func() bool { _, err := one(c, false, "/"); return err == nil })
}

// kill ends the server and everything in its process group.
func (r *running) kill() {
	if pid := r.pid(); pid != r.cmd.Process.Pid && syscall.Kill(pid, 0) == nil {
		syscall.Kill(pid, syscall.SIGINT) // an upgraded one
	}
	syscall.Kill(-r.cmd.Process.Pid, syscall.SIGINT)
	until(3*time.Second, func() bool { return syscall.Kill(-r.cmd.Process.Pid, 0) != nil })
	syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	<-r.done
}
