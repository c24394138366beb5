// Settings: defaults, what the program chose, what a person wrote.

//go:build linux

package server

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// settings are the defaults with what the program chose.
func (s *Server) settings() handoff.Settings {
	v := handoff.Defaults()
	duration(&v.Timeout, s.Timeout)
	duration(&v.ReadTimeout, s.ReadTimeout)
	duration(&v.WriteTimeout, s.WriteTimeout)
	duration(&v.KeepAlive, s.KeepAlive)
	duration(&v.GracefulTimeout, s.GracefulTimeout)
	number(&v.Connections, s.Connections)
	number(&v.LimitLine, s.LimitRequestLine)
	number(&v.LimitFields, s.LimitRequestFields)
	number(&v.LimitFieldSize, s.LimitRequestFieldSize)
	number(&v.LimitParams, s.LimitRequestParams)
	number(&v.LimitBody, s.LimitRequestBody)
	if s.Mount != "" {
		v.Mount = s.Mount
	}
	if s.TmpDir != "" {
		v.TmpDir = s.TmpDir
	}
	return v
}

func duration(into *handoff.Duration, d time.Duration) {
	if d != 0 {
		*into = handoff.Duration(max(d, 0))
	}
}

func number[T int | int64](into *T, n T) {
	if n != 0 {
		*into = max(n, 0)
	}
}

// override puts what a person wrote above v.
func override(v *handoff.Settings, written json.RawMessage) error {
	if len(written) == 0 {
		return nil
	}
	if err := json.Unmarshal(written, v); err != nil {
		return fmt.Errorf("server: settings of the supervisor: %w", err)
	}
	return nil
}

func (s *Server) logger() *log.Logger {
	if s.ErrorLog != nil {
		return s.ErrorLog
	}
	return log.New(os.Stderr, "", log.LstdFlags)
}

// rules is what building a request takes from its listener.
type rules struct {
	mount cgi.Mount
	base  requestBase
}

// inherited turns a listener of the supervisor into one of the event loop.
func inherited(l *handoff.Listener, v *handoff.Settings) (eventloop.Listener, error) {
	ls, err := eventloop.Inherited(l)
	if err != nil {
		return ls, fmt.Errorf("server: %w", err)
	}
	ls.Rules = &rules{
		mount: cgi.Mount{Prefix: v.Mount, FromURI: l.PathFrom == "request-uri"},
		base:  newRequestBase(l.FD, l.Address),
	}
	return ls, nil
}
