package fastcgi

import (
	"bytes"
	"testing"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
)

// feed gives wire to a codec as an event loop does: in pieces that end at the cuts,
// what the codec leaves in front of what comes next.
func feed(c *Codec, sink cgi.Sink, wire []byte, cuts ...int) error {
	var buf []byte
	last := 0
	for _, cut := range append(cuts, len(wire)) {
		buf = append(buf, wire[last:cut]...)
		last = cut
		n, err := c.Feed(buf, sink)
		if buf = buf[n:]; err != nil {
			return err
		}
	}
	return nil
}

// decodeGolden decodes a golden packet. A request is answered when its id begins
// again, as late as a front can bear, so that an abort finds it active.
func decodeGolden(wire []byte, cuts ...int) (*golden.Recorder, error) {
	c, r := NewCodec(cgi.Limits{}), new(golden.Recorder)
	var buf []byte
	last := 0
	for _, cut := range append(cuts, len(wire)) {
		buf = append(buf, wire[last:cut]...)
		last = cut
		if between := c.rec.content == 0 && c.rec.padding == 0; between && len(buf) >= headerLen {
			if rec := parseHeader(buf); rec.typ == typeBeginRequest {
				c.AppendAnswer(nil, rec.id, &cgi.AnswerHead{Status: 200}, nil, true)
			}
		}
		n, err := c.Feed(buf, r)
		if buf = buf[n:]; err != nil {
			return r, err
		}
	}
	return r, nil
}

// recordEnds are the places in wire where records end.
func recordEnds(wire []byte) []int {
	var ends []int
	for n := 0; len(wire)-n >= headerLen; {
		rec := parseHeader(wire[n:])
		n += headerLen + rec.content + rec.padding
		if n < len(wire) {
			ends = append(ends, n)
		}
	}
	return ends
}

// What real fronts sent comes out as it was recorded, cut at any byte.
func TestGolden(t *testing.T) {
	for _, p := range golden.Load(t, "testdata/*.txtar") {
		t.Run(p.Name, func(t *testing.T) {
			ends := recordEnds(p.Wire)
			r, _ := decodeGolden(p.Wire, ends...)
			if got := r.String(); got != p.Request {
				t.Fatalf("cut between records:\n got %s\nwant %s", got, p.Request)
			}
			step := 1 + len(p.Wire)/4000 // every byte, but for the long ones
			for cut := 0; cut < len(p.Wire); cut += step {
				cuts := make([]int, 0, len(ends)+1)
				for _, e := range ends {
					if e < cut {
						cuts = append(cuts, e)
					}
				}
				cuts = append(cuts, cut)
				for _, e := range ends {
					if e > cut {
						cuts = append(cuts, e)
					}
				}
				r, _ := decodeGolden(p.Wire, cuts...)
				if got := r.String(); got != p.Request {
					t.Fatalf("cut at %d:\n got %s\nwant %s", cut, got, p.Request)
				}
			}
		})
	}
}

// What was decoded, encoded by the client and decoded again, is the same.
func TestGoldenReencode(t *testing.T) {
	for _, p := range golden.Load(t, "testdata/*.txtar") {
		r, _ := decodeGolden(p.Wire, recordEnds(p.Wire)...)
		for _, q := range r.Requests {
			wire := AppendRequest(nil, q.ID, q.Head.KeepAlive, q.Head.Vars, q.Body)
			again, err := decodeGolden(wire, recordEnds(wire)...)
			if err != nil {
				t.Fatalf("%s, request %d: %v", p.Name, q.ID, err)
			}
			q.Cause = nil // an abort is not part of the request
			want := &golden.Recorder{Requests: []*golden.Request{q}}
			if got := again.String(); got != want.String() {
				t.Errorf("%s, request %d:\n got %s\nwant %s", p.Name, q.ID, got, want)
			}
		}
	}
}

// Most fronts spell lengths and padding as we do: their bytes come back exactly.
func TestGoldenBytes(t *testing.T) {
	for _, name := range []string{"nginx-get", "nginx-post", "nginx-put-without-length", "caddy-get"} {
		p := golden.Load(t, "testdata/"+name+".txtar")[0]
		r, _ := decodeGolden(p.Wire)
		q := r.Requests[0]
		if got := AppendRequest(nil, q.ID, q.Head.KeepAlive, q.Head.Vars, q.Body); !bytes.Equal(got, p.Wire) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, p.Wire)
		}
	}
}
