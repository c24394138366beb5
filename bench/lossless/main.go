// The table.

package main

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

var (
	appdFlag   = flag.String("appd", "bin/appd", "the appd to try, with its Python engine beside it")
	pythonFlag = flag.String("python", "/usr/bin/python3", "the interpreter for appd; gunicorn and uWSGI have their own")
	keepFlag   = flag.Bool("keep", false, "leave configurations and logs where they are")
	onlyFlag   = flag.String("only", "", "only servers and scenarios whose names hold this")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lossless:", err)
		os.Exit(1)
	}
}

func run() error {
	appd, err := filepath.Abs(*appdFlag)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lossless-")
	if err != nil {
		return err
	}
	if !*keepFlag {
		defer os.RemoveAll(dir)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	all := contenders(appd, *pythonFlag)
	ports, nginx, err := startNginx(dir, all)
	if err != nil {
		return err
	}
	defer func() {
		nginx.Process.Signal(syscall.SIGTERM)
		nginx.Wait()
	}()
	fmt.Println("| scenario | server | requests | failed | longest wait | serves afterwards |\n|---|---|---:|---:|---:|---|")
	for _, s := range scenarios {
		for i, c := range all {
			if *onlyFlag == "" || strings.Contains(s.name+": "+c.name, *onlyFlag) {
				if err := try(s, c, filepath.Join(dir, c.name), ports[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// try runs one scenario with one server and prints its line.
func try(s scenario, c *contender, dir string, port int) error {
	files := c.files
	if s.recycle {
		files = c.recycle
	}
	r, err := c.launch(dir, port, files)
	if err != nil {
		return err
	}
	defer r.kill()
	t := &tally{why: map[string]int{}, pids: map[string]time.Time{}}
	var failure error
	if s.alone {
		failure = s.do(r, t)
	} else {
		l := startLoad(port)
		failure = s.do(r, &l.tally)
		t = l.end()
	}
	after := "yes"
	switch {
	case s.ends:
		after = "stopped"
	case !r.serves(0):
		after = "**no**"
	}
	if failure != nil {
		after += " (" + failure.Error() + ")"
	}
	fmt.Printf("| %s | %s | %d | %s | %s | %s |\n", s.name, c.name, t.asked, t.failures(), wait(t.worst), after)
	return nil
}

// failures is the number, and the kinds where there are any.
func (t *tally) failures() string {
	if t.failed == 0 {
		return "0"
	}
	kinds := slices.SortedFunc(maps.Keys(t.why), func(a, b string) int { return cmp.Compare(t.why[b], t.why[a]) })
	return fmt.Sprintf("**%d** (%s)", t.failed, strings.Join(kinds, ", "))
}

// wait is a duration for readers.
func wait(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// startNginx starts one nginx with a server for each contender.
func startNginx(dir string, all []*contender) (ports []int, nginx *exec.Cmd, err error) {
	var servers strings.Builder
	for _, c := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		ports = append(ports, port)
		fmt.Fprintf(&servers, "server { listen 127.0.0.1:%d; location / { %s } }\n", port, fmt.Sprintf(c.pass, filepath.Join(dir, c.name, "sock")))
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	text := fmt.Sprintf(`daemon off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log warn; %[2]s
worker_processes 1;
events { worker_connections 1024; }
http {
access_log off;
client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
%[3]s}
`, dir, user, servers.String())
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, nil, err
	}
	nginx = exec.Command("nginx", "-c", conf, "-p", dir, "-e", "stderr")
	nginx.Stderr = os.Stderr
	if err := nginx.Start(); err != nil {
		return nil, nil, err
	}
	if !until(5*time.Second, func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0]))
		if err == nil {
			c.Close()
		}
		return err == nil
	}) {
		nginx.Process.Kill()
		nginx.Wait()
		return nil, nil, fmt.Errorf("nginx does not listen")
	}
	return ports, nginx, nil
}
