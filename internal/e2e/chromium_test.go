// A real browser: headless Chromium, driven over its DevTools protocol.

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// chromium is a running browser.
type chromium struct {
	*process
	addr string // of its DevTools
}

// startChromium starts a browser that talks to nobody but the pages it is sent to.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	data := folder(t, t.Name()+"-chromium")
	b := &chromium{process: launch(t, "chromium", []string{"HOME=" + data, "TMPDIR=" + data}, need(t, "chromium"),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--remote-debugging-port=0", "--remote-allow-origins=*", "--user-data-dir="+data, "about:blank")}
	t.Cleanup(func() {
		syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL) // with all its helpers
		<-b.done
	})
	eventually(t, "Chromium's DevTools", func() bool {
		text, err := os.ReadFile(filepath.Join(data, "DevToolsActivePort"))
		port, _, found := strings.Cut(string(text), "\n")
		b.addr = "127.0.0.1:" + port
		return err == nil && found
	})
	return b
}

// tab is one page in the browser.
type tab struct {
	t    *testing.T
	name string
	conn *websocket.Conn
	mu   sync.Mutex
	last int
}

// open opens a page in a tab of its own.
func (b *chromium) open(t *testing.T, name, url string) *tab {
	t.Helper()
	r, err := http.NewRequest("PUT", "http://"+b.addr+"/json/new?"+url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var target struct {
		URL string `json:"webSocketDebuggerUrl"`
	}
	if err := json.Unmarshal(text, &target); err != nil || target.URL == "" {
		t.Fatalf("new tab: %v: %s", err, text)
	}
	conn, err := websocket.Dial(target.URL, "", "http://"+b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &tab{t: t, name: name, conn: conn}
}

// eval evaluates an expression in the page and returns its value as text; "" while
// the page is being loaded.
func (p *tab) eval(expression string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.conn.SetDeadline(time.Now().Add(limit))
	call := map[string]any{"id": p.last, "method": "Runtime.evaluate",
		"params": map[string]any{"expression": "String(" + expression + ")", "returnByValue": true}}
	if err := websocket.JSON.Send(p.conn, call); err != nil {
		p.t.Fatalf("%s: DevTools: %v", p.name, err)
	}
	for {
		var answer struct {
			ID     int `json:"id"`
			Result struct {
				Result struct {
					Value string `json:"value"`
				} `json:"result"`
			} `json:"result"`
		}
		if err := websocket.JSON.Receive(p.conn, &answer); err != nil {
			p.t.Fatalf("%s: DevTools: %v", p.name, err)
		}
		if answer.ID == p.last {
			return answer.Result.Result.Value
		}
	}
}

// await waits until the expression has the value.
func (p *tab) await(what, expression, want string) {
	p.t.Helper()
	var got string
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		if got = p.eval(expression); got == want {
			return
		}
		time.Sleep(pause)
	}
	p.t.Fatalf("%s: %s: %s = %q, want %q\npage: %s", p.name, what, expression, got, want,
		p.eval("document.documentElement.outerHTML.slice(0, 2000)"))
}
