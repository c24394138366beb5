// The time of day on a line, put together once a second.

package accesslog

import "time"

// stamp turns the monotonic clock of the entries into the time of day.
type stamp struct {
	offset int64 // time of day minus monotonic clock, nanoseconds
	nanos  int64 // of the line at hand
	second int64 // that the texts are of
	clf    []byte
	date   []byte // 2006-01-02T15:04:05
	zone   []byte // Z or +02:00
}

// sync compares the clocks, which drift apart when somebody sets the time of day.
func (s *stamp) sync(mono int64) { s.offset = time.Now().UnixNano() - mono }

// at moves the stamp to a moment of the monotonic clock.
func (s *stamp) at(mono int64) {
	wall := s.offset + mono
	s.nanos = wall % int64(time.Second)
	if second := wall / int64(time.Second); second != s.second || s.clf == nil {
		s.second = second
		t := time.Unix(second, 0)
		s.clf = t.AppendFormat(s.clf[:0], "[02/Jan/2006:15:04:05 -0700]")
		s.date = t.AppendFormat(s.date[:0], "2006-01-02T15:04:05")
		s.zone = t.AppendFormat(s.zone[:0], "Z07:00")
	}
}

func (s *stamp) appendCLF(dst []byte) []byte { return append(dst, s.clf...) }

func (s *stamp) appendRFC3339(dst []byte) []byte {
	ms := s.nanos / int64(time.Millisecond)
	dst = append(dst, s.date...)
	dst = append(dst, '.', '0'+byte(ms/100%10), '0'+byte(ms/10%10), '0'+byte(ms%10))
	return append(dst, s.zone...)
}
