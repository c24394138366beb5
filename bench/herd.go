// Accepting: wake-ups per connection, and the spread of a burst.

//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

// herd shows, for 1, 2 and 8 workers, how often processes woke up for a connection,
// and how 64 connections that come at once and stay are shared.
func herd(dir string, front *nginx) error {
	fmt.Println("| workers | wake-ups per connection, one client after the other | 32 clients through nginx | a burst of 64 kept connections |\n|---|---|---|---|")
	for _, n := range []int{1, 2, 8} {
		serial, err := withServer(dir, n, func() error { return serialClients(filepath.Join(dir, "app.sock"), 5000) })
		if err != nil {
			return err
		}
		many, err := withServer(dir, n, func() error { _, err := load(front.url("uwsgi"), 32, 2*time.Second); return err })
		if err != nil {
			return err
		}
		spread, err := withServer(dir, n, func() error { return burst(filepath.Join(dir, "app.sock"), 64) })
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %s | %s | %s |\n", n, wakes(serial), wakes(many), shares(spread))
	}
	return nil
}

func withServer(dir string, n int, f func() error) ([]handoff.Counters, error) {
	s, err := startServer(dir, "appd", n)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := f(); err != nil {
		return nil, err
	}
	return s.counters(), nil
}

func wakes(all []handoff.Counters) string {
	var woken, accepted uint64
	for _, c := range all {
		woken += c.Events[handoff.WokenUp]
		accepted += c.Events[handoff.Accepted]
	}
	return fmt.Sprintf("%.2f", float64(woken)/float64(max(accepted, 1)))
}

func shares(all []handoff.Counters) string {
	var text strings.Builder
	for i, c := range all {
		if i > 0 {
			text.WriteString("/")
		}
		text.WriteString(fmt.Sprint(c.Events[handoff.Accepted]))
	}
	return text.String()
}

const ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// serialClients connects, asks and closes, n times.
func serialClients(path string, n int) error {
	p := make([]byte, 4096)
	for range n {
		c, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		io.WriteString(c, ask)
		if _, err := c.Read(p); err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

// burst opens n connections at once, each with a request, and keeps them.
func burst(path string, n int) error {
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range n {
		c, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		all = append(all, c)
		io.WriteString(c, ask)
	}
	p := make([]byte, 4096)
	for _, c := range all {
		if _, err := c.Read(p); err != nil {
			return err
		}
	}
	return nil
}
