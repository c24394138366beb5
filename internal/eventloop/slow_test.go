//go:build linux

package eventloop

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// dawdle is a handler whose name must be in the stack.
func dawdle(until <-chan struct{}) { <-until }

func TestSlowRequestsAreToldOf(t *testing.T) {
	told := make(chan string, 10)
	until := make(chan struct{})
	r := start(t, cgi.HTTP, func(c *Config) {
		c.Settings.SlowRequest = handoff.Duration(time.Second) // more than a quick one takes on any machine
		c.Slow = func(text string) { told <- text }
	}, func(x *Exchange) {
		if x.Head.Target == "/slow?x=1" {
			dawdle(until)
		}
		x.Answer(&cgi.AnswerHead{Status: 204, NoBody: true, NoLength: true}, nil, true)
	})
	for _, target := range []string{"/quick", "/slow?x=1"} {
		c, err := net.Dial("unix", r.path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("GET " + target + " HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-7\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	first := <-told
	line, stack, _ := strings.Cut(first, "\n")
	if !strings.HasPrefix(line, "slow request, still running: GET /slow?x=1 HTTP/1.1 took=") || !strings.HasSuffix(line, " request_id=id-7") {
		t.Errorf("told %q", line)
	}
	if !strings.HasPrefix(stack, "goroutine ") || !strings.Contains(stack, "eventloop.dawdle(") || strings.Contains(stack, "(*Loop).serve") || strings.Contains(stack, "\n\n") {
		t.Errorf("the stack is\n%s", stack)
	}
	close(until)
	if last := <-told; !strings.HasPrefix(last, "slow request: GET /slow?x=1 HTTP/1.1 status=204 took=") || strings.Contains(last, "\n") {
		t.Errorf("told %q", last)
	}
	r.Close()
	if len(told) > 0 {
		t.Errorf("also told %q", <-told)
	}
}

func TestSlowLinesAreBounded(t *testing.T) {
	told := make(chan string, 1000)
	s := &slow{tell: func(text string) { told <- text }}
	for range 100 {
		s.say("x", int64(5*time.Second))
	}
	s.say("y", int64(6*time.Second))
	lines := map[string]int{}
	for range slowLines + 1 {
		lines[<-told]++
	}
	if lines["x"] != slowLines || lines["y\n(and 80 more lines about slow requests)"] != 1 {
		t.Errorf("told %v", lines)
	}
}
