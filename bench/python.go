// Python: appd's worker beside Debian's uWSGI and gunicorn.

//go:build linux

package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed apps/*.py
var apps embed.FS

// interpreter is Debian's, for which uWSGI and gunicorn are packaged.
const interpreter = "/usr/bin/python3"

// pyServer is one way to run a Python application.
type pyServer struct {
	name, location string
	command        []string
}

var pyServers = []pyServer{
	{"appd FastCGI keep-alive", "fastcgi_keep", appd("--threads", "1")},
	{"appd uwsgi", "uwsgi", appd("--threads", "1")},
	{"appd HTTP", "http", appd("--threads", "1")},
	{"appd HTTP, threads = 4", "http", appd("--threads", "4")},
	{"uWSGI", "uwsgi", uwsgi()},
	{"uWSGI, no request log", "uwsgi", uwsgi("--disable-logging")},
	{"gunicorn sync", "http", gunicorn()},
	{"gunicorn gthread 4", "http", gunicorn("--threads", "4")},
}

// appd is the command line of the appd beside this program, with its access log.
func appd(more ...string) []string {
	return append([]string{"APPD", "--python", interpreter, "-b", "unix:SOCKET", "-w", "2", "--pythonpath", "DIR", "--access-logfile", "DIR/access.log", "--log-file", "DIR/appd.log",
		"--run-dir", "DIR/run", "APP:application"}, more...)
}

// uwsgi is Debian's uWSGI, which logs requests unless told otherwise.
func uwsgi(more ...string) []string {
	return append([]string{"uwsgi", "--plugin", "python3", "--socket", "SOCKET", "--chmod-socket=666", "--listen", "1024", "--master", "--processes", "2", "--pythonpath", "DIR",
		"--module", "APP:application", "--logto", "DIR/uwsgi.log", "--die-on-term"}, more...)
}

// gunicorn is Debian's, which writes no access log unless told to.
func gunicorn(more ...string) []string {
	return append([]string{"/usr/bin/gunicorn", "--bind", "unix:SOCKET", "--workers", "2", "--pythonpath", "DIR", "--log-file", "DIR/gunicorn.log",
		"APP:application"}, more...)
}

// pyTargets are what the project promises itself for twelve bytes over 32 connections.
var pyTargets = []struct {
	of, to      string
	cpu, faster float64 // at most, at least; 0: not promised
}{
	{"appd uwsgi", "uWSGI", 1.1, 1},
	{"appd uwsgi", "uWSGI, no request log", 1.1, 1},
	{"appd FastCGI keep-alive", "uWSGI", 0.75, 1.4},
	{"appd FastCGI keep-alive", "uWSGI, no request log", 0.75, 1.4},
	{"appd HTTP", "gunicorn sync", 0.35, 0},
	{"appd HTTP, threads = 4", "gunicorn gthread 4", 0.35, 0},
}

// pyCase is a load: an application and how it is asked.
type pyCase struct {
	name, app string
	conns     int
	post      bool
}

var pyCases = []pyCase{
	{"12 bytes", "hello", 32, false},
	{"12 bytes", "hello", 1, false},
	{"12 bytes", "hello", 8, false},
	{"12 bytes", "hello", 128, false},
	{"10 KB answer", "page", 32, false},
	{"100 KB POST", "upload", 32, true},
	{"Flask page", "flaskpage", 32, false},
}

// pythons measures every case with every server, in turns.
func pythons(cases []pyCase, rounds int) error {
	dir, err := os.MkdirTemp("", "appd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, apps); err != nil {
		return err
	}
	post := "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", 102400)\n"
	if err := os.WriteFile(filepath.Join(dir, "post.lua"), []byte(post), 0o644); err != nil {
		return err
	}
	front, err := startNginx(dir, nil)
	if err != nil {
		return err
	}
	defer front.stop()
	for _, c := range cases {
		results := map[string][]result{}
		for round := range rounds {
			for _, s := range pyServers {
				if *only != "" && *only != s.name {
					continue
				}
				r, err := measurePython(dir, front, s, c)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, c.name, err)
				}
				fmt.Fprintf(os.Stderr, "round %d  %-24s %6.1f us  %8.0f req/s  p99 %.2f ms  nginx %.1f us\n", round+1, s.name, r.micros, r.rate, r.p99, r.front)
				results[s.name] = append(results[s.name], r)
			}
		}
		showPython(c, results)
		if c == pyCases[0] {
			showPythonTargets(results)
		}
	}
	return nil
}

func showPython(c pyCase, results map[string][]result) {
	fmt.Printf("\n| %s, %d connections | CPU us/request | nginx's | requests/s | p99 ms | PSS of a worker |\n|---|---|---|---|---|---|\n", c.name, c.conns)
	for _, s := range pyServers {
		rs := results[s.name]
		if rs == nil {
			continue
		}
		m := func(f func(result) float64) float64 { return median(rs, f) }
		fmt.Printf("| %s | %.1f | %.1f | %.0f | %.2f | %.1f MB |\n", s.name, m(func(r result) float64 { return r.micros }),
			m(func(r result) float64 { return r.front }), m(func(r result) float64 { return r.rate }),
			m(func(r result) float64 { return r.p99 }), m(func(r result) float64 { return r.share })/1024)
	}
}

// showPythonTargets compares round by round, because what the machine does beside
// strikes those that are measured shortly after each other.
func showPythonTargets(results map[string][]result) {
	fmt.Println("\n| ratio | CPU | at most | requests/s | at least |\n|---|---|---|---|---|")
	for _, t := range pyTargets {
		var ratios []result
		for i := range min(len(results[t.of]), len(results[t.to])) {
			a, b := results[t.of][i], results[t.to][i]
			ratios = append(ratios, result{micros: a.micros / b.micros, rate: a.rate / b.rate})
		}
		if ratios == nil {
			continue
		}
		least := "-"
		if t.faster > 0 {
			least = fmt.Sprintf("%.1f", t.faster)
		}
		fmt.Printf("| %s / %s | %.2f | %.2f | %.2f | %s |\n", t.of, t.to, median(ratios, func(r result) float64 { return r.micros }), t.cpu,
			median(ratios, func(r result) float64 { return r.rate }), least)
	}
}

// measurePython starts a server, loads it, and looks at its memory.
func measurePython(dir string, front *nginx, s pyServer, c pyCase) (result, error) {
	a, err := startPython(dir, s, filepath.Join(dir, "apps"), c.app)
	if err != nil {
		return result{}, err
	}
	defer a.stop()
	url, script := front.url(s.location), ""
	if c.post {
		script = filepath.Join(dir, "post.lua")
	}
	if _, err := loadWith(script, url, c.conns, 300*time.Millisecond); err != nil {
		return result{}, err
	}
	before, frontBefore := a.cpu(), front.cpu()
	l, err := loadWith(script, url, c.conns, time.Duration(*seconds*float64(time.Second)))
	if err != nil {
		return result{}, err
	}
	used, frontUsed := a.cpu()-before, front.cpu()-frontBefore
	each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(l.requests) }
	return result{micros: each(used), front: each(frontUsed), rate: l.rate, p99: l.p99, share: float64(a.share())}, nil
}

// startPython starts two workers of a server on the socket in dir.
func startPython(dir string, s pyServer, path, module string) (*app, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "app.sock")
	os.Remove(socket)
	replace := strings.NewReplacer("SOCKET", socket, "DIR", path, "APPD", filepath.Join(filepath.Dir(self), "appd"), "APP", module)
	var arguments []string
	for _, a := range s.command {
		arguments = append(arguments, replace.Replace(a))
	}
	cmd := exec.Command(arguments[0], arguments[1:]...)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	a := &app{procs: []*exec.Cmd{cmd}, gentle: true}
	if err := reachable(socket); err != nil {
		a.stop()
		return nil, err
	}
	if err := settled(cmd.Process.Pid); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

// share is the proportional set size of one worker, in KiB: of a child if there is
// a master process.
func (a *app) share() (kib int) {
	pid := a.procs[0].Process.Pid
	if children := childrenOf(pid); len(children) > 0 {
		pid = children[len(children)-1]
	}
	return shareOf(pid)
}
