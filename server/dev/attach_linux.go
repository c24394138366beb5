// Where the hub stands in a worker.

package dev

import (
	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/protocols/cgi"
)

// Attach has the loop that config describes ask the hub about every request and every
// answer.
func (h *Hub) Attach(config *eventloop.Config) {
	config.Intercept = func(x *eventloop.Exchange) bool { return h.Intercept(x.Head, x) }
	config.Rewrite = func(x *eventloop.Exchange, a *cgi.AnswerHead) eventloop.Rewriter {
		if p := h.Rewrite(x.Head, a); p != nil {
			return p
		}
		return nil
	}
}
