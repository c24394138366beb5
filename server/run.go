// Running by hand: which address, and what signals mean then.

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Run is the function [Run] for a server with settings.
func (s *Server) Run() error {
	if under, err := s.runWorker(); under || err != nil {
		return err
	}
	l, shown, err := listen()
	if err != nil {
		return err
	}
	s.logger().Printf("serving on %s", shown)
	return s.runByHand(l)
}

// listen opens the address that a person chose, or the default one.
func listen() (l net.Listener, shown string, err error) {
	address := "127.0.0.1:8000"
	if v := os.Getenv("PORT"); v != "" {
		address = "0.0.0.0:" + v
	}
	if v := os.Getenv("APPD_LISTEN"); v != "" {
		address = v
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l, err = listenUnix(path)
		shown = address
	} else if l, err = net.Listen("tcp", address); err == nil {
		shown = "http://" + l.Addr().String()
	}
	if err != nil {
		return nil, "", fmt.Errorf("server: %w (APPD_LISTEN=HOST:PORT or unix:PATH names another address)", err)
	}
	return l, shown, nil
}

// listenUnix replaces a socket that nobody listens on any more.
func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if c, dialErr := net.Dial("unix", path); dialErr == nil {
		c.Close()
		return nil, err
	} else if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, err
	}
	if os.Remove(path) != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// runByHand serves until a signal: TERM and the first INT let requests in flight
// finish, the second INT does not.
func (s *Server) runByHand(l net.Listener) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-signals:
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.graceful())
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.Shutdown(ctx)
	s.Close()
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		return served
	}
	if err != nil {
		return fmt.Errorf("server: requests were still in flight: %w", err)
	}
	return nil
}

func (s *Server) graceful() time.Duration {
	switch {
	case s.GracefulTimeout < 0:
		return 1 << 62
	case s.GracefulTimeout == 0:
		return 30 * time.Second
	}
	return s.GracefulTimeout
}
