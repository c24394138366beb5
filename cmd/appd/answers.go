// What the control socket answers: the verbs of the command line as a running appd
// sees them.

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/appd-server/appd/internal/control"
	"github.com/appd-server/appd/supervisor"
)

// answer does what a verb of the command line asks for.
func (s *service) answer(ctx context.Context, q control.Request) control.Answer {
	switch q.Verb {
	case "status":
		snapshot, err := s.super.Status(ctx)
		if err != nil {
			return refusal(err)
		}
		data, err := json.Marshal(snapshot)
		return control.Answer{Status: supervisor.ExitStatus(err), Data: data}
	case "reload":
		return done(s.super.Reload(ctx))
	case "stop":
		return done(s.super.Stop(ctx, q.Fast))
	case "scale":
		return done(s.super.Scale(ctx, q.Count))
	case "upgrade":
		return done(s.super.Upgrade(ctx))
	case "reopen":
		return done(s.super.Reopen(ctx))
	case "stacks":
		return content(s.super.Stacks(ctx, q.Slot))
	case "profile":
		return content(s.super.Profile(ctx, q.Slot, q.Seconds))
	}
	return control.Answer{Status: exitUsage, Error: fmt.Sprintf("this appd does not know the verb %q", q.Verb)}
}

func content(text []byte, err error) control.Answer {
	a := done(err)
	a.Bytes = text
	return a
}

func done(err error) control.Answer {
	if err != nil {
		return refusal(err)
	}
	return control.Answer{}
}

// refusal is always status 1: it was tried and it failed.
func refusal(err error) control.Answer {
	return control.Answer{Status: exitFailed, Error: err.Error(), Output: output(err)}
}
