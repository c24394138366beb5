// appd check --probe: one request, as a front would send it.

package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/appd-server/appd/internal/status"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/http1"
	"github.com/appd-server/appd/protocols/uwsgi"
)

// probeTime is how long an answer may take.
const probeTime = 30 * time.Second

// shown is how much of a body is printed.
const shown = 512

// ask sends GET mount/ to a socket and returns the answer's head and the beginning
// of its body.
func ask(ctx context.Context, protocol, socket, mount string) (string, error) {
	conn, err := (&net.Dialer{Timeout: probeTime}).DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(probeTime)); err != nil {
		return "", err
	}
	switch protocol {
	case "fastcgi":
		a, err := fastcgi.Do(conn, params(mount), nil)
		if err != nil {
			return "", err
		}
		return describe(&a.Answer), nil
	case "uwsgi":
		a, err := uwsgi.Do(conn, params(mount), nil)
		if err != nil {
			return "", err
		}
		return describe(a), nil
	}
	return askHTTP(conn, mount)
}

// params are what nginx would send for a visit of the first page.
func params(mount string) []cgi.Var {
	return []cgi.Var{
		{Name: "REQUEST_METHOD", Value: "GET"},
		{Name: "REQUEST_URI", Value: mount + "/"},
		{Name: "SCRIPT_NAME", Value: mount},
		{Name: "PATH_INFO", Value: "/"},
		{Name: "QUERY_STRING", Value: ""},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "SERVER_NAME", Value: "localhost"},
		{Name: "SERVER_PORT", Value: "80"},
		{Name: "REMOTE_ADDR", Value: "127.0.0.1"},
		{Name: "REMOTE_PORT", Value: "1"},
		{Name: "CONTENT_LENGTH", Value: ""},
		{Name: "HTTP_HOST", Value: "localhost"},
		{Name: "HTTP_USER_AGENT", Value: "appd check"},
	}
}

func askHTTP(conn net.Conn, mount string) (string, error) {
	text := "GET " + mount + "/ HTTP/1.1\r\nHost: localhost\r\nUser-Agent: appd check\r\nConnection: close\r\n\r\n"
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	var a http1.Answer
	buf := make([]byte, 64<<10)
	for !a.Done {
		n, err := conn.Read(buf)
		if _, err := a.Feed(buf[:n]); err != nil {
			return "", err
		}
		if err != nil && !a.Done {
			if err := a.EOF(); err != nil {
				return "", err
			}
			break
		}
	}
	return describe(&cgi.Answer{Head: cgi.AnswerHead{Status: a.Status, Reason: a.Reason, Fields: a.Fields}, Body: a.Body}), nil
}

// describe prints an answer as a head and the beginning of its body.
func describe(a *cgi.Answer) string {
	var b strings.Builder
	reason := cmp.Or(a.Head.Reason, http.StatusText(a.Head.Status))
	fmt.Fprintf(&b, "  %d %s\n", a.Head.Status, reason)
	for _, f := range a.Head.Fields {
		if !strings.EqualFold(f.Name, "Status") {
			fmt.Fprintf(&b, "  %s: %s\n", f.Name, status.Clean(f.Value))
		}
	}
	body := a.Body
	if len(body) > shown {
		body = body[:shown]
	}
	for line := range strings.Lines(string(body)) {
		fmt.Fprintf(&b, "  | %s\n", status.Clean(strings.TrimRight(line, "\r\n")))
	}
	if more := len(a.Body) - len(body); more > 0 {
		fmt.Fprintf(&b, "  and %d bytes more\n", more)
	}
	return strings.TrimRight(b.String(), "\n")
}
