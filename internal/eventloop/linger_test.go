//go:build linux

package eventloop

import (
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// A front that sends the rest of a body that nobody wants, and then ends its side, sees
// the end of the connection behind the answer, not a reset.
func TestHalfClosedWhileLingering(t *testing.T) {
	r := start(t, cgi.HTTP, nil, nil)
	client := r.dial(t)
	io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n")
	events := make([]syscall.EpollEvent, 1)
	x := harvest(r, events, 10_000)
	for x == nil {
		x = harvest(r, events, 10_000)
	}
	x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 6, Close: true}, []byte("enough"), true)
	io.WriteString(client, strings.Repeat("x", 50_000))
	client.CloseWrite()
	if n, err := syscall.EpollWait(r.EpollFD(), events, 10_000); n != 1 {
		t.Fatalf("%d events, %v", n, err)
	}
	r.Turn(events)
	if got, err := io.ReadAll(client); err != nil || !strings.HasSuffix(string(got), "enough") {
		t.Errorf("%.80q, %v", got, err)
	}
}
