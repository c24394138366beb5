// The measurement: tools, saves, the table.

//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	saves  = flag.Int("saves", 9, "saves for each tool, of which the median counts")
	appd   = flag.String("appd", "bin/appd", "the appd to measure")
	only   = flag.String("only", "", "measure just this tool (a name of the table)")
	python = flag.String("python", "/usr/bin/python3", "the interpreter with Flask and gunicorn")
)

// tool is one way to develop.
type tool struct {
	name    string
	tree    func(dir, version string) error // saves this version of the application
	command func(dir, addr string) []string
	env     []string
}

func main() {
	flag.Parse()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fail(err)
	}
	bin, err := filepath.Abs(*appd)
	if err != nil {
		fail(err)
	}
	tools := []tool{
		{"appd dev (Go)", goTree, func(_, addr string) []string { return []string{bin, "dev", ".", "-b", addr} }, []string{"GOFLAGS=-mod=mod"}},
		{"air (Go)", goTree, airCommand, []string{"GOFLAGS=-mod=mod"}},
		{"appd dev (Flask)", flaskTree, func(_, addr string) []string { return []string{bin, "dev", "shop:app", "-b", addr} }, []string{"PATH=" + filepath.Dir(*python) + ":" + os.Getenv("PATH")}},
		{"gunicorn --reload (Flask)", flaskTree, func(_, addr string) []string {
			return []string{*python, "-m", "gunicorn", "--reload", "-b", addr, "shop:app"}
		}, nil},
		{"flask run --debug (Flask)", flaskTree, func(_, addr string) []string {
			return []string{*python, "-m", "flask", "--app", "shop", "--debug", "run", "-p", port(addr)}
		}, nil},
	}
	fmt.Println("| tool | save to new answer, median | longest | requests that failed meanwhile |\n|---|---|---|---|")
	for _, t := range tools {
		if *only != "" && *only != t.name {
			continue
		}
		r, err := measure(t)
		if err != nil {
			fmt.Printf("| %s | not measured: %v | | |\n", t.name, err)
			continue
		}
		fmt.Printf("| %s | %d ms | %d ms | %d of %d |\n", t.name, r.median.Milliseconds(), r.longest.Milliseconds(), r.failed, r.asked)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "develop:", err)
	os.Exit(1)
}

// result is what one tool needed.
type result struct {
	median, longest time.Duration
	asked, failed   int
}

// measure runs one tool from its start to its end.
func measure(t tool) (r result, err error) {
	dir, err := os.MkdirTemp("", "appd-develop-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	addr, err := freeAddr()
	if err != nil {
		return r, err
	}
	if err := t.tree(dir, "version 0"); err != nil {
		return r, err
	}
	argv := t.command(dir, addr)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), t.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := os.Create(filepath.Join(dir, "tool.log"))
	if err != nil {
		return r, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer end(cmd)
	if _, err := await(&result{}, addr, "version 0"); err != nil {
		log, _ := os.ReadFile(out.Name())
		return r, fmt.Errorf("%w: %.300s", err, log)
	}
	return r, save(t, dir, addr, &r)
}

// end ends a tool and all that it has started. air gives its program a process group
// of its own; without air it is our child.
func end(cmd *exec.Cmd) {
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
	for {
		for _, pid := range children() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if _, err := syscall.Wait4(-1, nil, 0, nil); err == syscall.ECHILD {
			return
		}
	}
}

// children are our child processes.
func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for pid := range strings.FieldsSeq(string(text)) {
			n, _ := strconv.Atoi(pid)
			pids = append(pids, n)
		}
	}
	return pids
}

// save saves new versions one after the other.
func save(t tool, dir, addr string, r *result) error {
	var took []time.Duration
	for i := range *saves {
		time.Sleep(1200 * time.Millisecond) // people pause between saves, and some tools look once a second
		version := fmt.Sprintf("version %d", i+1)
		if err := t.tree(dir, version); err != nil {
			return err
		}
		d, err := await(r, addr, version)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	r.median, r.longest = took[len(took)/2], took[len(took)-1]
	return nil
}

// await asks until the version answers.
func await(r *result, addr, version string) (time.Duration, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	for time.Since(began) < time.Minute {
		r.asked++
		resp, err := client.Get("http://" + addr + "/")
		if err != nil {
			r.failed++
		} else {
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case err != nil || resp.StatusCode != 200:
				r.failed++
			case strings.Contains(string(text), version):
				return time.Since(began), nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("%q did not answer within a minute", version)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
