package http1

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// recorder is a sink that keeps what it was told.
type recorder struct {
	heads  []*cgi.Head
	bodies []string // one a request
	events []string // head, body, end, abort, in order; runs of body are one
	reply  string
	notes  []string
	room   int // bytes of body it still takes; negative: any number
}

func newRecorder() *recorder { return &recorder{room: -1} }

func (r *recorder) Head(_ uint16, h *cgi.Head) {
	r.heads = append(r.heads, h)
	r.bodies = append(r.bodies, "")
	r.event("head")
}

func (r *recorder) Body(_ uint16, p []byte) int {
	n := len(p)
	if r.room >= 0 {
		n = min(n, r.room)
		r.room -= n
	}
	if n > 0 {
		r.bodies[len(r.bodies)-1] += string(p[:n])
		r.event("body")
	}
	return n
}

func (r *recorder) End(uint16)              { r.event("end") }
func (r *recorder) Abort(_ uint16, e error) { r.event("abort: " + e.Error()) }
func (r *recorder) Reply(p []byte)          { r.reply += string(p) }
func (r *recorder) Note(s string)           { r.notes = append(r.notes, s) }

func (r *recorder) event(s string) {
	if n := len(r.events); n > 0 && s == "body" && r.events[n-1] == s {
		return
	}
	r.events = append(r.events, s)
}

var plainConfig = &Config{}

// ok is the head of a short answer.
func ok(n int64) *cgi.AnswerHead { return &cgi.AnswerHead{Status: 200, ContentLength: n} }

// serve feeds in to a new codec in pieces of size bytes, answers each complete
// request with nothing, and returns what the sink was told.
func serve(t testing.TB, cfg *Config, peer netip.AddrPort, in string, size int) (*recorder, *Codec, error) {
	t.Helper()
	c, r := NewCodec(cfg, peer, netip.AddrPort{}), newRecorder()
	var held []byte
	for len(in) > 0 || len(held) > 0 {
		k := min(size, len(in))
		held = append(held, in[:k]...)
		in = in[k:]
		for {
			n, err := c.Feed(held, r)
			held = held[n:]
			if err != nil {
				return r, c, err
			}
			answered := false
			if c.state == atEnd {
				c.AppendAnswer(nil, requestID, ok(0), nil, true)
				answered = true
			}
			if !answered {
				break
			}
		}
		if k == 0 {
			break
		}
	}
	return r, c, c.EOF(r)
}

// whole is a piece size that no test input reaches.
const whole = 1 << 20

func describe(h *cgi.Head) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s host=%q length=%d keep=%v expect=%v upgrade=%v https=%v peer=%v\n",
		h.Method, h.Target, h.Proto, h.Host, h.ContentLength, h.KeepAlive, h.Expect, h.Upgrade, h.HTTPS, h.Peer)
	for n, v := range h.Vars.All() {
		fmt.Fprintf(&b, "%s: %s\n", n, v)
	}
	return b.String()
}
