package fastcgi

import (
	"bytes"
	"slices"
	"testing"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
)

// FuzzCodec feeds anything, whole and cut, and expects the same events; what comes
// out as a request is encoded and decoded again.
func FuzzCodec(f *testing.F) {
	for _, p := range golden.Load(f, "testdata/*.txtar") {
		f.Add(p.Wire, 10)
	}
	f.Fuzz(func(t *testing.T, wire []byte, cut int) {
		limits := cgi.Limits{Params: 8 << 10, Streams: 3}
		whole, cutUp := newRecorder(), newRecorder()
		err := feed(NewCodec(limits), whole, wire)
		cutErr := feed(NewCodec(limits), cutUp, wire, max(0, min(cut, len(wire))))
		if whole.String() != cutUp.String() || !bytes.Equal(whole.reply, cutUp.reply) || (err == nil) != (cutErr == nil) {
			t.Fatalf("cut at %d:\n%s\n%v\nwhole:\n%s\n%v", cut, cutUp, cutErr, whole, err)
		}
		var client Client
		if n, err := client.Feed(whole.reply); n != len(whole.reply) || err != nil {
			t.Fatalf("the client took %d of the %d bytes of the replies: %v", n, len(whole.reply), err)
		}
		for id, h := range whole.heads {
			again := newRecorder()
			wire := AppendRequest(nil, id, h.KeepAlive, h.Vars, whole.bodies[id])
			if err := feed(NewCodec(cgi.Limits{}), again, wire); err != nil || again.heads[id] == nil {
				t.Fatalf("request %d encoded again: %v", id, err)
			}
			if !slices.Equal(again.heads[id].Vars, h.Vars) {
				t.Fatalf("request %d: vars %q, then %q", id, h.Vars, again.heads[id].Vars)
			}
		}
	})
}

// FuzzParams decodes pairs, and encodes and decodes them again.
func FuzzParams(f *testing.F) {
	for _, p := range golden.Load(f, "testdata/*.txtar") {
		c, r := NewCodec(cgi.Limits{}), newRecorder()
		feed(c, r, p.Wire)
		for _, h := range r.heads {
			var block []byte
			for _, v := range h.Vars {
				block = appendPair(block, v.Name, v.Value)
			}
			f.Add(block)
		}
	}
	f.Add([]byte{0x80, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 'a'})
	f.Fuzz(func(t *testing.T, p []byte) {
		scanParams(p)
		h, err := parseParams(p)
		if err != nil {
			return
		}
		var block []byte
		for _, v := range h.Vars {
			block = appendPair(block, v.Name, v.Value)
		}
		again, err := parseParams(block)
		if err != nil || !slices.Equal(again.Vars, h.Vars) {
			t.Fatalf("%v: %q, then %q", err, h.Vars, again.Vars)
		}
	})
}

// FuzzClient feeds anything to the client, whole and cut.
func FuzzClient(f *testing.F) {
	h := &cgi.AnswerHead{Status: 200, ContentLength: 2}
	f.Add(active(f, 1).AppendAnswer(nil, 1, h, []byte("ok"), true), 9)
	f.Add(appendRecord(nil, typeGetValuesResult, 0, pairs(mpxsConn, "1")), 3)
	f.Add(appendEnd(appendRecord(nil, typeStderr, 1, []byte("oh")), 1, 0, Overloaded), 3)
	f.Fuzz(func(t *testing.T, wire []byte, cut int) {
		cut = max(0, min(cut, len(wire)))
		var whole, cutUp Client
		n, err := whole.Feed(wire)
		k, cutErr := cutUp.Feed(wire[:cut])
		if cutErr == nil {
			var m int
			m, cutErr = cutUp.Feed(wire[k:])
			k += m
		}
		if n != k || (err == nil) != (cutErr == nil) {
			t.Fatalf("whole %d, %v; cut at %d: %d, %v", n, err, cut, k, cutErr)
		}
		for {
			a, b := whole.Next(), cutUp.Next()
			if a == nil || b == nil {
				if a != b {
					t.Fatalf("%+v and %+v", a, b)
				}
				return
			}
			if a.ID != b.ID || !bytes.Equal(a.Body, b.Body) || (a.Err == nil) != (b.Err == nil) {
				t.Fatalf("%+v and %+v", a, b)
			}
		}
	})
}
