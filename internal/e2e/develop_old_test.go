// What becomes of long answers of the old code when a file is saved.

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/websocket"
)

// TestDevelopOldCode: streams and WebSockets that are open across a save end within a
// second, whatever graceful_timeout says, and so does a request that does not hear its
// context. That is nothing to report as an error.
func TestDevelopOldCode(t *testing.T) {
	p := &project{t: t, dir: folder(t, t.Name()+"-project")}
	p.write("change.txt", "one")
	addr, server := p.develop(fmt.Sprintf(`app {
  command = [%q]
  env     = { E2E_DIR = %q }
}
reload_extra_files = ["change.txt"]
graceful_timeout = "1h"`, binary(t, "app"), p.dir))
	awaitGeneration(t, addr, 1)
	open := map[string]net.Conn{
		"a stream":          openStream(t, addr, "/hang?talking=1"),
		"a stuck request":   openStream(t, addr, "/stuck?s=3600&key=stuck"),
		"a hijacked tunnel": openTunnel(t, addr),
	}
	noted(t, p.dir, "stuck", "began")
	p.write("change.txt", "two")
	awaitGeneration(t, addr, 2)
	for name, c := range open {
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s of the old code goes on", name)
		}
	}
	server.awaitLog(t, "[INFO]", "old code left after its second")
	if text := server.text(); strings.Contains(text, "[ERROR]") || !strings.Contains(text, "GET /stuck?s=3600&key=stuck for ") {
		t.Errorf("the log:\n%s", text)
	}
}

// openStream sends a request with whose answer the connection ends.
func openStream(t *testing.T, addr, target string) net.Conn {
	t.Helper()
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	return c
}

// openTunnel opens a WebSocket and returns what is under it.
func openTunnel(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	conf, err := websocket.NewConfig("ws://front/ws", "http://front/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := websocket.NewClient(conf, c); err != nil {
		t.Fatal(err)
	}
	return c
}
