package status

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs an Admin with a history of ten minutes and returns its address.
func serve(t *testing.T, source *moving) string {
	t.Helper()
	a := &Admin{Source: source.source, Version: "1.2.3"}
	source.step(historyStep)
	for i := range historyLength + 1 {
		source.step(historyStep)
		s, _ := source.source(t.Context())
		m := newMoment(s, time.Now().Add(time.Duration(i-historyLength)*historyStep))
		if a.last != nil {
			a.history.add(m.since(a.last))
		}
		a.last = m
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

// chromium runs the browser without a window on url and returns its standard output
// and what pages wrote to their console. Without it the test fails, unless
// APPD_TEST_SKIP names it.
func chromium(t *testing.T, url string, args ...string) (out, console string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if strings.Contains(os.Getenv("APPD_TEST_SKIP"), "chromium") {
			t.Skip("chromium is missing and APPD_TEST_SKIP names it")
		}
		t.Fatal(err)
	}
	home := t.TempDir()
	args = append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
		"--enable-logging=stderr", "--v=0", "--user-data-dir=" + filepath.Join(home, "profile"),
	}, append(args, url)...)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return stdout.String(), console
}

func TestPageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	source := new(moving)
	url := serve(t, source)
	if dir := os.Getenv("APPD_SCREENSHOTS"); dir != "" {
		shoot(t, url, dir)
	}
	dom, console := chromium(t, url+"/", "--virtual-time-budget=5000", "--dump-dom")
	if console != "" {
		t.Errorf("the page complains:\n%s", console)
	}
	for _, want := range []string{
		`<title>shop – appd</title>`, `class="pill ready">ready<`, `>draining<`, `>waiting<`, `3 failures in a row`, `silent for 9.0s`,
		`GET /report?year=2026`, `12.3s of 30.0s`, `2001:db8::1`, `400ms, paused`, `unix:/run/shop/app.sock`, `of 2048`,
		`refused</span>`, `wokers is not a setting</p>`, `panic: no database`, `SIGKILL by appd`, `GET /slow`, `because: GET /slow for 31s, limit 30s`, `appd 1.2.3`,
		`POST /&lt;script&gt;alert(1)&lt;/script&gt;`, `class="live"`,
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if n := strings.Count(dom, ` d="M`); n < 8 {
		t.Errorf("%d curves are drawn, want 8 at least", n)
	}
	if t.Failed() {
		t.Log(dom)
	}
}

// shoot takes pictures of the page, for people to look at.
func shoot(t *testing.T, url, dir string) {
	t.Helper()
	for name, args := range map[string][]string{
		"light":  {"--window-size=1360,1500"},
		"dark":   {"--window-size=1360,1500", "--blink-settings=preferredColorScheme=0"},
		"narrow": {"--window-size=500,2200"},
	} {
		chromium(t, url+"/", append(args, "--hide-scrollbars", "--virtual-time-budget=6000", "--screenshot="+filepath.Join(dir, name+".png"))...)
	}
}
