package uwsgi

import (
	"bytes"
	"testing"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
)

func decodeGolden(wire []byte, cut int) *golden.Recorder {
	c, r := NewCodec(cgi.Limits{}), new(golden.Recorder)
	n, err := c.Feed(wire[:cut], r)
	if err == nil {
		c.Feed(wire[n:], r)
	}
	return r
}

// What real fronts sent comes out as it was recorded, cut at any byte, and goes
// back to the same bytes.
func TestGolden(t *testing.T) {
	for _, p := range golden.Load(t, "testdata/*.txtar") {
		for cut := range len(p.Wire) + 1 {
			if got := decodeGolden(p.Wire, cut).String(); got != p.Request {
				t.Fatalf("%s, cut at %d:\n got %s\nwant %s", p.Name, cut, got, p.Request)
			}
		}
		r := decodeGolden(p.Wire, 0)
		if len(r.Requests) == 0 {
			continue
		}
		q := r.Requests[0]
		got, err := AppendRequest(nil, q.Head.Modifier1, q.Head.Vars, q.Body)
		if err != nil || !bytes.Equal(got, p.Wire) {
			t.Errorf("%s: %v\n got %x\nwant %x", p.Name, err, got, p.Wire)
		}
	}
}
