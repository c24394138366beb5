// Memory: what a Python application with four workers takes under each server, with
// and without importing it before the fork.

//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// memoryServers are command lines as one types them; APPD is the binary beside ours.
var memoryServers = []struct {
	name, location, command string
}{
	{"appd", "uwsgi", "APPD --python " + interpreter + " -w 4 -b unix:SOCKET --pythonpath DIR flaskpage:application"},
	{"appd --preload", "uwsgi", "APPD --python " + interpreter + " --preload -w 4 -b unix:SOCKET --pythonpath DIR flaskpage:application"},
	{"uWSGI --lazy-apps", "uwsgi", "uwsgi --plugin python3 --socket SOCKET --chmod-socket=666 --master --processes 4 --lazy-apps --pythonpath DIR --module flaskpage:application --disable-logging --die-on-term"},
	{"uWSGI", "uwsgi", "uwsgi --plugin python3 --socket SOCKET --chmod-socket=666 --master --processes 4 --pythonpath DIR --module flaskpage:application --disable-logging --die-on-term"},
	{"gunicorn", "http", "/usr/bin/gunicorn -w 4 -b unix:SOCKET --pythonpath DIR flaskpage:application"},
	{"gunicorn --preload", "http", "/usr/bin/gunicorn --preload -w 4 -b unix:SOCKET --pythonpath DIR flaskpage:application"},
}

// memories shows what is resident after some thousand requests.
func memories() error {
	dir, err := os.MkdirTemp("", "appd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, apps); err != nil {
		return err
	}
	front, err := startNginx(dir, nil)
	if err != nil {
		return err
	}
	defer front.stop()
	fmt.Println("| a Flask page, 4 workers | PSS of a worker | all processes together |\n|---|---|---|")
	for _, s := range memoryServers {
		worker, all, err := measureMemory(dir, front, s.location, s.command)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("| %s | %.1f MB | %.1f MB |\n", s.name, worker/1024, all/1024)
	}
	return nil
}

func measureMemory(dir string, front *nginx, location, command string) (worker, all float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	socket := filepath.Join(dir, "app.sock")
	os.Remove(socket)
	text := strings.NewReplacer("APPD", filepath.Join(filepath.Dir(self), "appd"), "SOCKET", socket, "DIR", filepath.Join(dir, "apps")).Replace(command)
	words := strings.Fields(text)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "APPD_RUN_DIR="+dir)
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
	}()
	if err := reachable(socket); err != nil {
		return 0, 0, err
	}
	if err := settled(cmd.Process.Pid); err != nil {
		return 0, 0, err
	}
	if _, err := load(front.url(location), 32, 2*time.Second); err != nil {
		return 0, 0, err
	}
	workers := 0
	for _, pid := range familyOf(cmd.Process.Pid) {
		share := float64(shareOf(pid))
		all += share
		if len(childrenOf(pid)) == 0 {
			worker += share
			workers++
		}
	}
	return worker / float64(workers), all, nil
}

// reachable waits until a server has opened its socket.
func reachable(socket string) error {
	for range 200 {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("it does not open its socket")
}

// settled waits until all workers of a server have imported the application: its
// processes then use hardly any CPU time for a while. Other servers than ours say
// nothing of it.
func settled(pid int) error {
	const most, look, looks, patience = time.Millisecond, 20 * time.Millisecond, 15, 30 * time.Second
	still, before := 0, time.Duration(0)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(look) {
		var now time.Duration
		family := familyOf(pid)
		for _, p := range family {
			now += cpuOf(p)
		}
		if now-before > most || len(family) == 1 {
			still = 0
		} else if still++; still == looks {
			return nil
		}
		before = now
	}
	return fmt.Errorf("the server is still busy with itself after %v", patience)
}

// familyOf is a process and all that descend from it.
func familyOf(pid int) []int {
	all := []int{pid}
	for _, child := range childrenOf(pid) {
		all = append(all, familyOf(child)...)
	}
	return all
}

// shareOf is a process's proportional set size in KiB.
func shareOf(pid int) (kib int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "Pss: %d", &kib)
	}
	return kib
}

// childrenOf are the processes that any thread of a process started.
func childrenOf(pid int) (children []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for s := range strings.FieldsSeq(string(b)) {
			var n int
			if _, err := fmt.Sscan(s, &n); err == nil {
				children = append(children, n)
			}
		}
	}
	return children
}
