// What the codec answers by itself: management records and refusals.

package fastcgi

import (
	"fmt"
	"strconv"

	"github.com/appd-server/appd/protocols/cgi"
)

// The variables that GET_VALUES may ask for (section 4.1 of the specification).
const (
	maxConns = "FCGI_MAX_CONNS"
	maxReqs  = "FCGI_MAX_REQS"
	mpxsConn = "FCGI_MPXS_CONNS"
)

// answerValues answers GET_VALUES with those of the asked variables that we know.
// HAProxy holds back every request until this answer is there, and takes it only
// when its pairs fill the record exactly.
func (c *Codec) answerValues(sink cgi.Sink) {
	p := c.values.Bytes()
	var conns, reqs, mpxs bool
	at := int64(0)
	for at < int64(len(p)) {
		pr, ok := nextPair(p, at)
		if !ok || pr.end > int64(len(p)) {
			sink.Note("fastcgi: GET_VALUES: " + errTruncatedPair.Error())
			break
		}
		switch string(p[pr.name:pr.value]) {
		case maxConns:
			conns = true
		case maxReqs:
			reqs = true
		case mpxsConn:
			mpxs = true
		}
		at = pr.end
	}
	c.values.Drop()

	out := appendHeader(make([]byte, 0, 80), typeGetValuesResult, 0, 0)
	if conns {
		out = appendPair(out, maxConns, strconv.Itoa(c.limits.Conns))
	}
	if reqs {
		out = appendPair(out, maxReqs, strconv.Itoa(c.limits.Streams))
	}
	if mpxs && c.limits.Streams > 1 {
		out = appendPair(out, mpxsConn, "1")
	} else if mpxs {
		out = appendPair(out, mpxsConn, "0")
	}
	sink.Reply(finishRecord(out, 0))
}

// unknownType answers a management record of a type we do not know.
func (c *Codec) unknownType(typ uint8, sink cgi.Sink) {
	sink.Reply(append(appendHeader(nil, typeUnknownType, 0, 8), typ, 0, 0, 0, 0, 0, 0, 0))
}

// end refuses a request with a bare END_REQUEST, where the protocol has a status
// for the reason.
func (c *Codec) end(id uint16, status uint8, text string, sink cgi.Sink) error {
	sink.Reply(appendEnd(nil, id, 0, status))
	c.free(c.stream(id))
	return c.refused(0, text, sink)
}

// refuse answers a request with a complete answer of the codec's own.
func (c *Codec) refuse(id uint16, status int, noBody bool, text string, sink cgi.Sink) error {
	h, body := cgi.Refusal(status, noBody)
	sink.Reply(c.AppendAnswer(nil, id, h, body, true))
	return c.refused(status, text, sink)
}

// refuseBig refuses params beyond the limit and names what makes them big.
func (c *Codec) refuseBig(id uint16, params []byte, sink cgi.Sink) error {
	noBody, big := scanParams(params)
	text := fmt.Sprintf("params of request %d are over the limit of %d bytes; the biggest: %s", id, c.limits.Params, &big)
	return c.refuse(id, 431, noBody, text, sink)
}

// refused reports a refusal: as an error when nothing else holds the connection.
func (c *Codec) refused(status int, text string, sink cgi.Sink) error {
	if c.KeepAlive() {
		sink.Note("fastcgi: " + text)
		return nil
	}
	return fault(status, text)
}
