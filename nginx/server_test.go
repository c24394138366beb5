// A managed nginx from start to stop, with the real program.

package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit bounds every wait of these tests.
const limit = time.Minute

// front is a Server under test, in front of an application that says who it is.
type front struct {
	*Server
	t     *testing.T
	sock  string // where nginx listens
	app   string // where the application listens
	ready chan int
	ended chan error
	stop  context.CancelCauseFunc
}

// newFront starts nginx in dir and waits until it is ready.
func newFront(t *testing.T, dir, app string) *front {
	t.Helper()
	f := &front{
		Server: &Server{Dir: dir, Processes: 1, Grace: limit}, t: t,
		sock: filepath.Join(dir, "front.sock"), app: app, ready: make(chan int, 10), ended: make(chan error, 1),
	}
	f.Server.Ready = func(pid int) { f.ready <- pid }
	ctx, stop := context.WithCancelCause(t.Context())
	f.stop = stop
	go func() { f.ended <- f.Run(ctx, f.site("")) }()
	t.Cleanup(func() { stop(nil) })
	f.awaitReady()
	return f
}

func (f *front) site(mount string) Site {
	return Site{Name: "t", Listen: []string{"unix:" + f.sock}, Protocol: "http", Upstream: "unix:" + f.app, Mount: mount}
}

func (f *front) awaitReady() (pid int) {
	f.t.Helper()
	select {
	case pid = <-f.ready:
	case err := <-f.ended:
		f.t.Fatalf("Run = %v", err)
	case <-time.After(limit):
		f.t.Fatal("nginx is not ready")
	}
	return pid
}

// awaitEnd returns what Run returned.
func (f *front) awaitEnd() error {
	f.t.Helper()
	select {
	case err := <-f.ended:
		return err
	case <-time.After(limit):
		f.t.Fatal("Run does not return")
		return nil
	}
}

// get asks nginx for a path.
func (f *front) get(path string) (status int, body string, err error) {
	c := http.Client{Timeout: limit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", f.sock) },
	}}
	resp, err := c.Get("http://front" + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// want asks until the status is as wanted: a reload is in force a moment after
// the signal.
func (f *front) want(path string, status int) string {
	f.t.Helper()
	var got int
	var body string
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got, body, err = f.get(path); err == nil && got == status {
			return body
		}
	}
	f.t.Fatalf("GET %s = %d %q, %v, want %d", path, got, body, err, status)
	return ""
}

// folder is a folder that nginx's workers reach even where tests run as root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "appd-nginx-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// application serves handler on a socket that everybody may open.
func application(t *testing.T, handler http.HandlerFunc) (path string) {
	t.Helper()
	path = filepath.Join(folder(t), "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: handler}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return path
}

func hello(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path) }

// groupGone waits until no process of nginx's group is left.
func groupGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) {
			return
		}
	}
	t.Errorf("processes of nginx %d are left", pid)
}

func TestServerLife(t *testing.T) {
	needNginx(t)
	f := newFront(t, folder(t), application(t, hello))
	pid := f.master()
	if body := f.want("/a", 200); body != "GET /a" {
		t.Errorf("body = %q", body)
	}

	if err := f.Reload(t.Context(), f.site("/shop")); err != nil {
		t.Fatal(err)
	}
	f.want("/a", 404)
	f.want("/shop/a", 200)

	bad := f.site("")
	bad.Listen = []string{"8080 sssl"}
	if _, ok := errors.AsType[*TestError](f.Reload(t.Context(), bad)); !ok {
		t.Error("a configuration that nginx refuses was taken")
	}
	f.want("/shop/a", 200)

	if err := os.Rename(filepath.Join(f.Dir, "access.log"), filepath.Join(f.Dir, "access.log.1")); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(f.Dir, "access.log")); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal("access.log was not opened again")
		}
	}

	f.stop(nil)
	if err := f.awaitEnd(); err != nil {
		t.Errorf("Run = %v", err)
	}
	groupGone(t, pid)
	if _, err := os.Stat(f.sock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nginx left its socket: %v", err)
	}
}

func TestServerStartsAgain(t *testing.T) {
	needNginx(t)
	f := newFront(t, folder(t), application(t, hello))
	first := f.master()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if second := f.awaitReady(); second == first {
		t.Errorf("the same pid %d again", second)
	}
	f.want("/a", 200)
	groupGone(t, first)
}

// A stop waits for the requests in flight.
func TestServerStopsGracefully(t *testing.T) {
	needNginx(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	f := newFront(t, folder(t), application(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		io.WriteString(w, "late")
	}))
	type answer struct {
		body string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		_, body, err := f.get("/slow")
		got <- answer{body, err}
	}()
	<-arrived
	f.stop(nil)
	select {
	case err := <-f.ended:
		t.Errorf("Run = %v before the request was answered", err)
	case <-time.After(300 * time.Millisecond): // the request still holds it, as it should
	}
	close(release)
	if a := <-got; a.err != nil || a.body != "late" {
		t.Errorf("answer = %+v", a)
	}
	if err := f.awaitEnd(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

// A successor takes over a running nginx, reloads it and can stop it.
func TestServerAdopts(t *testing.T) {
	needNginx(t)
	dir, app := folder(t), application(t, hello)
	old := newFront(t, dir, app)
	pid := old.master()
	old.stop(ErrLeave)
	if err := old.awaitEnd(); err != nil {
		t.Fatalf("Run = %v", err)
	}
	old.want("/a", 200)

	f := newFront(t, dir, app)
	if f.master() != pid {
		t.Errorf("pid = %d, want the adopted %d", f.master(), pid)
	}
	f.want("/a", 200)
	f.stop(nil)
	if err := f.awaitEnd(); err != nil {
		t.Errorf("Run = %v", err)
	}
	groupGone(t, pid)
}

func TestServerSaysWhyItDoesNotStart(t *testing.T) {
	needNginx(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := &Server{Dir: folder(t), Processes: 1}
	site := Site{Name: "t", Listen: []string{taken.Addr().String()}, Protocol: "http", Upstream: "127.0.0.1:1"}
	if err := s.Run(t.Context(), site); err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("Run = %v, want nginx's own reason", err)
	}
	site.Listen = []string{"8080 sssl"}
	if _, ok := errors.AsType[*TestError](s.Run(t.Context(), site)); !ok {
		t.Error("Run took a configuration that nginx -t refuses")
	}
}

// A user without any rights runs the whole life.
func TestServerUnprivileged(t *testing.T) {
	needNginx(t)
	if os.Geteuid() != 0 {
		t.Skip("every test here runs without root already")
	}
	const nobody = 65534
	dir := folder(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "nginx.test")
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^TestServer(Life|StartsAgain|StopsGracefully)$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS: TestServer") != 3 {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// master is the process id of nginx's master, 0 while there is none.
func (s *Server) master() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.pid
}
