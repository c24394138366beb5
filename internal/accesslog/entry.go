// One finished request, and how its line is put together.

package accesslog

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// Entry is one finished request. Empty texts are sought in Head.
type Entry struct {
	Head *cgi.Head // nil if the request ended before its head was complete

	Method string
	Target string // path and query as they were sent
	Proto  string // HTTP/1.1
	Remote string // the client's address

	RequestID string
	Status    int       // 0: no answer could be given
	Bytes     int64     // of the answer's body, as sent
	Fields    []cgi.Var // of the answer
	End       int64     // CLOCK_MONOTONIC in nanoseconds at the end of the answer
	Took      time.Duration
}

// complete fills in from the head what the caller left out.
func (e *Entry) complete() {
	if e.Head == nil {
		return
	}
	fill := func(text *string, sent, name string) {
		if *text == "" {
			*text = sent
		}
		if *text == "" {
			*text = e.Head.Vars.Get(name)
		}
	}
	fill(&e.Method, e.Head.Method, "REQUEST_METHOD")
	fill(&e.Proto, e.Head.Proto, "SERVER_PROTOCOL")
	fill(&e.Target, e.Head.Target, "REQUEST_URI")
	if e.Remote == "" && e.Head.Peer.IsValid() {
		e.Remote = e.Head.Peer.Addr().String()
	}
	if e.Remote == "" && e.Head.Protocol != cgi.HTTP {
		e.Remote = e.Head.Vars.Get("REMOTE_ADDR")
	}
}

// protocol is what the front spoke, "-" if nobody knows.
func (e *Entry) protocol() string {
	if e.Head == nil {
		return "-"
	}
	return e.Head.Protocol.String()
}

// answerField returns the last field of the answer with this name.
func (e *Entry) answerField(name string) (value string, given bool) {
	for i := range e.Fields {
		if f := &e.Fields[i]; len(f.Name) == len(name) && strings.EqualFold(f.Name, name) {
			value, given = f.Value, true
		}
	}
	return value, given
}

// Line is the line of a single request that ended now, for those who have no Log.
func (f *Format) Line(e *Entry, w Worker) []byte {
	l := Log{format: f, worker: w}
	l.stamp.sync(e.End)
	e.complete()
	l.append(e)
	return l.lines
}

// line appends the line of e to dst.
func (f *Format) line(dst []byte, e *Entry, v *found, now *stamp, w *Worker) []byte {
	for i := range f.steps {
		s := &f.steps[i]
		switch s.do {
		case literal:
			dst = append(dst, s.text...)
		case dash:
			dst = append(dst, '-')
		case clock:
			dst = now.appendCLF(dst)
		case process:
			dst = append(strconv.AppendInt(append(dst, '<'), int64(w.PID), 10), '>')
		case status:
			dst = appendStatus(dst, e.Status)
		case bytesOrDash, bytesSent:
			dst = appendBytes(dst, e.Bytes, s.do == bytesOrDash)
		case seconds, millis, micros, decimal:
			dst = appendTook(dst, e.Took, s.do)
		default:
			dst = s.appendText(dst, e, v, w)
		}
	}
	return dst
}

// appendText appends an atom that a client has a say in, or that is a name.
func (s *step) appendText(dst []byte, e *Entry, v *found, w *Worker) []byte {
	switch s.do {
	case requestLine:
		return appendRequestLine(dst, e, s.quoted)
	case remote:
		return appendValue(dst, e.Remote, e.Remote != "", s.quoted)
	case method:
		return appendValue(dst, e.Method, e.Method != "", s.quoted)
	case proto:
		return appendValue(dst, e.Proto, e.Proto != "", s.quoted)
	case path:
		p, _, _ := strings.Cut(e.Target, "?")
		return appendValue(dst, p, e.Target != "", s.quoted)
	case query:
		_, q, _ := strings.Cut(e.Target, "?")
		return appendValue(dst, q, true, s.quoted)
	case user:
		return appendUser(dst, v, s)
	case field:
		value, given := e.answerField(s.text)
		return appendValue(dst, value, given, s.quoted)
	case requestID:
		return appendValue(dst, e.RequestID, e.RequestID != "", s.quoted)
	case own:
		return s.appendOwn(dst, e, w)
	}
	return appendValue(dst, v.values[s.want], v.given[s.want], s.quoted)
}

func (s *step) appendOwn(dst []byte, e *Entry, w *Worker) []byte {
	switch s.text {
	case "appd.worker_id":
		return strconv.AppendInt(dst, int64(w.Slot), 10)
	case "appd.generation":
		return strconv.AppendInt(dst, int64(w.Generation), 10)
	case "appd.protocol":
		return append(dst, e.protocol()...)
	}
	return appendValue(dst, e.RequestID, e.RequestID != "", s.quoted)
}

// appendRequestLine appends "GET /path HTTP/1.1", with what is unknown as a dash.
func appendRequestLine(dst []byte, e *Entry, quoted bool) []byte {
	if e.Method == "" && e.Target == "" {
		return append(dst, '-')
	}
	dst = append(appendValue(dst, e.Method, e.Method != "", quoted), ' ')
	dst = append(appendValue(dst, e.Target, e.Target != "", quoted), ' ')
	return appendValue(dst, e.Proto, e.Proto != "", quoted)
}

// appendUser appends the user whom the front authenticated, or else the one whom
// the client claims to be.
func appendUser(dst []byte, v *found, s *step) []byte {
	if v.values[s.want] != "" {
		return appendValue(dst, v.values[s.want], true, s.quoted)
	}
	var room [96]byte
	name := basicUser(room[:0], v.values[s.also])
	if len(name) == 0 {
		return append(dst, '-')
	}
	return escape(dst, name, s.quoted)
}

// basicUser appends the user of a Basic authorization, RFC 7617, to dst; nothing
// for any other, and for names of more than some fifty bytes.
func basicUser(dst []byte, authorization string) []byte {
	scheme, credentials, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return dst
	}
	var encoded [128]byte // a longer one is cut, at a whole group of four
	n := copy(encoded[:], strings.Trim(credentials, " ="))
	dst, err := base64.RawStdEncoding.AppendDecode(dst, encoded[:n])
	if err != nil {
		return dst[:0]
	}
	for i, c := range dst {
		if c == ':' {
			return dst[:i]
		}
	}
	return dst[:0]
}

// appendStatus appends three digits; 000 is an answer that was never given.
func appendStatus(dst []byte, status int) []byte {
	if status <= 0 || status > 999 {
		return append(dst, "000"...)
	}
	return strconv.AppendInt(dst, int64(status), 10)
}

func appendBytes(dst []byte, n int64, orDash bool) []byte {
	if n == 0 && orDash {
		return append(dst, '-')
	}
	return strconv.AppendInt(dst, n, 10)
}

func appendTook(dst []byte, d time.Duration, as atom) []byte {
	d = max(d, 0)
	switch as {
	case seconds:
		return strconv.AppendInt(dst, int64(d/time.Second), 10)
	case millis:
		return strconv.AppendInt(dst, d.Milliseconds(), 10)
	case micros:
		return strconv.AppendInt(dst, d.Microseconds(), 10)
	}
	dst = append(strconv.AppendInt(dst, int64(d/time.Second), 10), '.')
	for digit, rest := time.Second/10, d%time.Second; digit >= time.Microsecond; digit /= 10 {
		dst = append(dst, '0'+byte(rest/digit))
		rest %= digit
	}
	return dst
}

// Summary is a request in words, for the line about a slow or a lost one.
func Summary(e *Entry) string {
	e.complete()
	dst := appendRequestLine(nil, e, true)
	if e.Status != 0 {
		dst = appendStatus(append(dst, " status="...), e.Status)
	}
	dst = append(dst, " took="...)
	dst = append(dst, e.Took.Round(time.Microsecond).String()...)
	if e.Remote != "" {
		dst = escape(append(dst, " remote="...), e.Remote, false)
	}
	if e.RequestID != "" {
		dst = escape(append(dst, " request_id="...), e.RequestID, false)
	}
	return string(dst)
}
