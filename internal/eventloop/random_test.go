//go:build linux

package eventloop

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// Whatever records fronts send, in whatever order, and however exchanges are answered,
// the loop is rid of everything when the fronts have gone: no exchange in flight, no
// connection, no descriptor. Both kinds of worker.
func TestRandomRecords(t *testing.T) {
	rounds := uint64(4)
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		foreign := round%2 == 1
		serve := anyAnswer
		if foreign {
			serve = nil
		}
		r := startOn(t, Listener{Stderr: true, ChunkedInput: true}, func(c *Config) {
			c.Log = nil
			c.WholeBody = foreign
			c.Settings.ReadTimeout = handoff.Duration(time.Second)
			c.Settings.WriteTimeout = handoff.Duration(time.Second)
		}, serve)
		if foreign {
			threads(t, r, 2, anyAnswer)
		}
		var fronts sync.WaitGroup
		for i := range uint64(6) {
			fronts.Go(func() { sendAnything(r, rand.New(rand.NewPCG(round, i))) })
		}
		fronts.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := r.Drain(ctx, DrainOptions{}); err != nil {
			t.Errorf("round %d: %v, %+v", round, err, r.Stats())
		}
		cancel()
	}
}

// anyAnswer answers in one of several manners, right and wrong.
func anyAnswer(x *Exchange) {
	switch rand.IntN(6) {
	case 0:
		x.Break()
	case 1:
		x.Stderr("line")
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: 100_000}, make([]byte, 50_000), false)
		x.WaitOut(1000)
		x.Break()
	case 2:
		x.Answer(&cgi.AnswerHead{Status: 413, ContentLength: 2}, []byte("no"), true)
	case 3:
		x.Answer(&cgi.AnswerHead{Status: 200, ContentLength: cgi.UnknownLength}, nil, false)
		for range 10 {
			x.Answer(nil, make([]byte, 30_000), false)
			x.Stderr("line")
			if x.WaitOut(window) != nil {
				break
			}
		}
		x.Answer(nil, nil, true)
	default:
		wholeEcho(x)
	}
}

// sendAnything opens connections, sends records that may make sense, and goes away.
func sendAnything(r *rig, rnd *rand.Rand) {
	for range 50 {
		c, err := net.Dial("unix", r.path)
		if err != nil {
			return
		}
		go io.Copy(io.Discard, c)
		for wire := records(rnd); len(wire) > 0; {
			n := 1 + rnd.IntN(len(wire))
			if _, err := c.Write(wire[:n]); err != nil {
				break
			}
			wire = wire[n:]
		}
		if rnd.IntN(3) == 0 {
			c.(*net.UnixConn).CloseWrite()
		}
		time.Sleep(time.Duration(rnd.IntN(3)) * time.Millisecond)
		c.Close()
	}
}

// records are some, most of them of requests.
func records(rnd *rand.Rand) (wire []byte) {
	for range 1 + rnd.IntN(40) {
		id := uint16(1 + 2*rnd.IntN(6))
		switch rnd.IntN(14) {
		case 0, 1, 2, 3:
			wire = append(wire, begin(id, "/", rnd.IntN(5000))...)
		case 4, 5, 6:
			wire = append(wire, record(5, id, string(make([]byte, rnd.IntN(9000))))...)
		case 7, 8:
			wire = append(wire, record(5, id, "")...)
		case 9:
			wire = append(wire, record(2, id, "")...)
		case 10:
			wire = append(wire, record(9, 0, "\x0f\x00FCGI_MPXS_CONNS")...)
		case 11:
			wire = append(wire, record(byte(rnd.IntN(14)), uint16(rnd.IntN(4)), string(make([]byte, rnd.IntN(20))))...)
		case 12:
			wire = append(wire, begin(id, "/", 10)[:rnd.IntN(40)]...)
		case 13:
			wire = append(wire, record(4, id, "\x01\x01ab")...)
		}
	}
	return wire
}
