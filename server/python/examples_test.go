// The examples as they are, but for the address that they listen on.

package python_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// example starts a copy of an example, with replacements in its appd.hcl, and waits
// until n workers are ready.
func example(t *testing.T, name string, n int, replace ...string) *site {
	t.Helper()
	s := prepare(t, "../../examples/"+name, "")
	text, err := os.ReadFile("../../examples/" + name + "/appd.hcl")
	if err != nil {
		t.Fatal(err)
	}
	hcl := regexp.MustCompile(`listen "127.0.0.1:\d+"`).ReplaceAllString(string(text), fmt.Sprintf("listen \"unix:%s/app.sock\"", s.dir))
	s.write("appd.hcl", strings.NewReplacer(replace...).Replace(hcl)+fmt.Sprintf("\nrun_dir = \"%s/run\"\n", s.dir))
	s.begin()
	s.ready(n)
	return s
}

func TestExampleHooks(t *testing.T) {
	s := example(t, "hooks", 2)
	if got := s.body("/page"); got != "Look at the log.\n" {
		t.Errorf("%q", got)
	}
	s.verb("stop")
	<-s.ended
	log := s.log.String()
	for pattern, n := range map[string]int{
		"the first worker is ready":             1,
		`worker \d+ of supervisor \d+ exists`:   2,
		`worker \d+ has loaded the application`: 2,
		`GET /page: 200 OK in \d+\.\d ms`:       1,
		`worker \d+ leaves after [01] requests`: 2,
		`(?i)traceback|hook \S+ failed`:         0,
	} {
		if got := len(regexp.MustCompile(pattern).FindAllString(log, -1)); got != n {
			t.Errorf("%d times %q, not %d", got, pattern, n)
		}
	}
}

// The hook that ends a request is called for each that began, also in a worker that
// drains, whether its client is still there or not.
func TestHooksWhileDraining(t *testing.T) {
	suite, err := os.ReadFile("testdata/suite.py")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, options{
		app:      "suite:application",
		settings: map[string]any{"threads": 4},
		files: map[string]string{
			"suite.py": string(suite),
			"hooks.py": "def before(worker, req): print('before %s;' % req.path, flush=True)\ndef after(worker, req, environ, resp): print('after %s;' % req.path, flush=True)\n",
		},
		change: func(h *handoff.Handoff) {
			h.Python.Hooks = map[string]string{"pre_request": "hooks:before", "post_request": "hooks:after"}
		},
	})
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	var wait sync.WaitGroup
	wait.Go(func() { w.get("/hold?" + gate) })
	gone, leaves := dial(t, w), dial(t, w)
	fmt.Fprintf(gone, "GET /hold?%s HTTP/1.1\r\nHost: h\r\n\r\n", gate)
	io.WriteString(leaves, "GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
	io.ReadFull(leaves, make([]byte, 1<<20))
	wait.Go(func() { w.get("/lockstep?" + dir) })
	w.busy(4)
	w.send(handoff.Message{Kind: handoff.Drain, Grace: handoff.Duration(60 * time.Second)}, false)
	if m := w.await(handoff.Draining); m.Kind != handoff.Draining {
		t.Errorf("%+v", m)
	}
	gone.Close()
	leaves.Close()
	for i := range 3 {
		touch(t, fmt.Sprint(dir, "/", i))
	}
	touch(t, gate)
	wait.Wait()
	if err := w.ended(); err != nil {
		t.Error(err)
	}
	for path, n := range map[string]int{"/hold": 2, "/endless": 1, "/lockstep": 1} {
		for _, hook := range []string{"before ", "after "} {
			if got := strings.Count(w.output.String(), hook+path+";"); got != n {
				t.Errorf("%s%s: %d times, not %d", hook, path, got, n)
			}
		}
	}
}

// What was imported once is shared: a worker's part of the memory is far below what
// it needs alone.
func TestExamplePreload(t *testing.T) {
	page := regexp.MustCompile(`^process (\d+), worker \d: 300000 words, (\d+) KiB of memory of its own share, (\d+) requests in all workers\n$`)
	ask := func(s *site) (pid string, kib, hits int) {
		m := page.FindStringSubmatch(s.body("/"))
		if m == nil {
			t.Fatal("another page")
		}
		fmt.Sscan(m[2]+" "+m[3], &kib, &hits)
		return m[1], kib, hits
	}
	shared := example(t, "preload", 4)
	kib := 0
	for i := range 20 {
		pid, n, hits := ask(shared)
		if hits != i+1 {
			t.Errorf("request %d: %d requests in all workers", i+1, hits)
		}
		if strings.Contains(shared.log.String(), "importing in process "+pid) {
			t.Errorf("worker %s has imported", pid)
		}
		kib = max(kib, n)
	}
	if n := strings.Count(shared.log.String(), "importing in process"); n != 1 {
		t.Errorf("imported %d times", n)
	}
	alone := example(t, "preload", 1, "preload_app = true", "preload_app = false", "workers      = 4", "workers = 1")
	if _, n, _ := ask(alone); kib*2 > n {
		t.Errorf("%d KiB with preload_app, %d KiB without", kib, n)
	} else {
		t.Logf("%d KiB with preload_app, %d KiB without", kib, n)
	}
}
