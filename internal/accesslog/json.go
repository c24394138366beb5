// A line as a JSON object, whose members always have the same types.

package accesslog

import (
	"strconv"
	"strings"
	"time"
)

// jsonLine appends e as an object. Numbers are numbers, texts are strings, and what
// is not known is left out.
func (f *Format) jsonLine(dst []byte, e *Entry, v *found, now *stamp, w *Worker) []byte {
	dst = append(now.appendRFC3339(append(dst, `{"time":"`...)), '"')
	target, q, _ := strings.Cut(e.Target, "?")
	dst = text(dst, `,"remote":`, e.Remote)
	dst = jsonMemberUser(dst, v)
	dst = text(dst, `,"method":`, e.Method)
	dst = text(dst, `,"path":`, target)
	dst = text(dst, `,"query":`, q)
	dst = text(dst, `,"proto":`, e.Proto)
	dst = text(dst, `,"host":`, v.values[jsonHost])
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(e.Status), 10)
	dst = strconv.AppendInt(append(dst, `,"bytes":`...), e.Bytes, 10)
	dst = appendMillis(append(dst, `,"duration_ms":`...), e.Took)
	dst = text(dst, `,"referer":`, v.values[jsonReferer])
	dst = text(dst, `,"user_agent":`, v.values[jsonAgent])
	dst = text(dst, `,"request_id":`, e.RequestID)
	if e.Head != nil {
		dst = text(dst, `,"protocol":`, e.protocol())
	}
	dst = strconv.AppendInt(append(dst, `,"worker":`...), int64(w.Slot), 10)
	dst = strconv.AppendInt(append(dst, `,"gen":`...), int64(w.Generation), 10)
	dst = strconv.AppendInt(append(dst, `,"pid":`...), int64(w.PID), 10)
	return append(dst, "}\n"...)
}

// text appends a member, given as it stands before its value, unless it is empty.
func text(dst []byte, member, value string) []byte {
	if value == "" {
		return dst
	}
	return quote(append(dst, member...), value)
}

func jsonMemberUser(dst []byte, v *found) []byte {
	if v.values[jsonUser] != "" {
		return text(dst, `,"user":`, v.values[jsonUser])
	}
	var room [96]byte
	if name := basicUser(room[:0], v.values[jsonAuthorization]); len(name) > 0 {
		return quote(append(dst, `,"user":`...), name)
	}
	return dst
}

// appendMillis appends milliseconds with three decimals.
func appendMillis(dst []byte, d time.Duration) []byte {
	us := max(d, 0).Microseconds()
	dst = strconv.AppendInt(dst, us/1000, 10)
	return append(dst, '.', '0'+byte(us/100%10), '0'+byte(us/10%10), '0'+byte(us%10))
}
