// The access log's line of a request that died with its worker.

package main

import (
	"fmt"
	"slices"

	"github.com/appd-server/appd/internal/accesslog"
	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/supervisor"
)

// victimLine makes such lines in the configured format; nil without an access log.
// The status is 000: nobody was answered.
func victimLine(c *config.Config) (func(supervisor.Victim) []byte, error) {
	if c.AccessLog == "" {
		return nil, nil
	}
	format, err := accesslog.Compile(c.Worker.AccessLogFormat)
	if err != nil {
		return nil, fmt.Errorf("access_log_format: %w", err)
	}
	return func(v supervisor.Victim) []byte {
		protocol := cgi.Protocol(max(0, slices.Index(handoff.Protocols[:], v.Protocol)))
		e := accesslog.Entry{
			Head:      &cgi.Head{Protocol: protocol},
			Method:    v.Method,
			Target:    v.Path,
			Remote:    v.Remote,
			RequestID: v.ID,
			Took:      v.Age,
		}
		return format.Line(&e, accesslog.Worker{Slot: v.Slot, Generation: v.Generation, PID: v.PID})
	}, nil
}
