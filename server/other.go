// Elsewhere than on Linux net/http serves, for development.

//go:build !linux

package server

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
)

// Self says who this process is.
func Self() Worker { return Worker{PID: os.Getpid()} }

func (s *Server) runWorker() (under bool, err error) { return false, nil }

func (s *Server) logger() *log.Logger {
	if s.ErrorLog == nil {
		return log.Default()
	}
	return s.ErrorLog
}

type plain struct{ http.Server }

func (p *plain) drain(ctx context.Context) error { return p.Shutdown(ctx) }
func (p *plain) close() error                    { return p.Close() }

// start prepares to serve l with net/http.
func (s *Server) start(l net.Listener) (backend, func() error, error) {
	p := &plain{http.Server{Handler: s.handler(), ErrorLog: s.ErrorLog, IdleTimeout: s.KeepAlive}}
	return p, func() error { return p.Serve(l) }, nil
}
