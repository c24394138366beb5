// A worker's output: lines into the log, the last ones kept for the report on its
// death, a panic kept together.

package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"
)

const (
	maxLine   = 16 << 10               // a longer line is cut into several
	maxTail   = 50                     // lines kept for the report
	maxGroup  = 64 << 10               // bytes of one panic in one entry
	groupTime = 100 * time.Millisecond // of quiet end a group
	maxKeys   = 32                     // of a JSON line
)

// tail keeps the last lines, and the first ones of a crash: what a Go program says
// first tells why it died, the dump of registers and goroutines behind it does not.
type tail struct {
	mu    sync.Mutex
	lines []string
	crash []string
	at    time.Time // of the last line of crash
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addCrash(line, time.Now())
	if len(t.lines) == maxTail {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:maxTail-1]
	}
	t.lines = append(t.lines, line)
}

// addCrash keeps line if it belongs to a crash. One that the program survived is
// forgotten with its next line.
func (t *tail) addCrash(line string, now time.Time) {
	if len(t.crash) > 0 && now.Sub(t.at) > time.Second {
		t.crash = nil
	}
	t.at = now
	if len(t.crash) > 0 && len(t.crash) < maxTail || len(t.crash) == 0 && crashes(line) {
		t.crash = append(t.crash, line)
	}
}

// crashes says whether a line is the first of a crash.
func crashes(line string) bool {
	starts, trace := opensGroup(line)
	return starts && !trace
}

// last is what a report shows.
func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.crash) > 0 {
		return slices.Clone(t.crash)
	}
	return slices.Clone(t.lines)
}

// collector reads one stream of one worker. It belongs to the goroutine that runs
// read; memory is bounded by maxLine and maxGroup.
type collector struct {
	log  *journal
	keys []any
	tail *tail

	buf   []byte          // an unfinished line
	group strings.Builder // a panic that goes on
	trace bool            // the group is a Python traceback
}

// read takes lines from r until its end.
func (c *collector) read(r *os.File) {
	defer r.Close()
	chunk := make([]byte, 8<<10)
	for {
		if c.group.Len() > 0 {
			r.SetReadDeadline(time.Now().Add(groupTime))
		} else {
			r.SetReadDeadline(time.Time{})
		}
		n, err := r.Read(chunk)
		c.take(chunk[:n])
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.flushGroup()
		default:
			if len(c.buf) > 0 {
				c.line(string(c.buf))
			}
			c.flushGroup()
			return
		}
	}
}

// take cuts p into lines.
func (c *collector) take(p []byte) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			c.buf = append(c.buf, p...)
			for len(c.buf) >= maxLine {
				c.line(string(c.buf[:maxLine]))
				c.buf = append(c.buf[:0], c.buf[maxLine:]...)
			}
			return
		}
		line := p[:i]
		p = p[i+1:]
		if len(c.buf) > 0 {
			line = append(c.buf, line...)
			c.buf = c.buf[:0]
		}
		c.line(string(bytes.TrimSuffix(line, []byte{'\r'})))
	}
}

// line handles one line: part of a group, or an entry of its own.
func (c *collector) line(text string) {
	c.tail.add(text)
	starts, trace := opensGroup(text)
	if c.group.Len() == 0 && !starts {
		c.entry(text)
		return
	}
	if c.group.Len() == 0 {
		c.trace = trace
	}
	if c.group.Len() > 0 {
		c.group.WriteByte('\n')
	}
	c.group.WriteString(text)
	ends := c.trace && !starts && text != "" && text[0] != ' ' && text[0] != '\t' && !chains(text)
	if ends || c.group.Len() > maxGroup {
		c.flushGroup()
	}
}

// opensGroup says whether a line begins something that must stay together, and
// whether that is a Python traceback, which ends with a line that is not indented.
func opensGroup(text string) (starts, trace bool) {
	switch {
	case strings.HasPrefix(text, "Traceback (most recent call last):"):
		return true, true
	case strings.HasPrefix(text, "panic: "), strings.HasPrefix(text, "fatal error: "),
		strings.HasPrefix(text, "SIGABRT: abort"), strings.HasPrefix(text, "SIGQUIT: quit"), strings.HasPrefix(text, "SIGSEGV: "),
		strings.HasPrefix(text, "SIGBUS: "), strings.HasPrefix(text, "SIGFPE: "), strings.HasPrefix(text, "SIGILL: "),
		strings.HasPrefix(text, "Fatal Python error: "), strings.HasPrefix(text, "unexpected fault address"):
		return true, false
	}
	return false, false
}

// chains says whether a line stands between two tracebacks of one exception.
func chains(text string) bool {
	return strings.HasPrefix(text, "During handling of the above exception") ||
		strings.HasPrefix(text, "The above exception was the direct cause")
}

func (c *collector) flushGroup() {
	if c.group.Len() > 0 {
		c.log.relay(hclog.Error, c.group.String(), c.keys)
		c.group.Reset()
	}
}

// entry logs one line. A JSON object of a logging library keeps its level and keys,
// a line of Python's logging as gunicorn writes it its level.
func (c *collector) entry(text string) {
	if strings.HasPrefix(text, "{") {
		if lvl, msg, keys, ok := parseJSON(text); ok {
			c.log.relay(lvl, msg, append(slices.Clip(c.keys), keys...))
			return
		}
	}
	if lvl, msg, ok := parseBracket(text); ok {
		c.log.relay(lvl, msg, c.keys)
		return
	}
	c.log.relay(hclog.NoLevel, text, c.keys)
}

// parseBracket reads "[ERROR] text".
func parseBracket(text string) (lvl hclog.Level, msg string, ok bool) {
	name, msg, ok := strings.Cut(strings.TrimPrefix(text, "["), "] ")
	if !ok || text[0] != '[' || !slices.Contains(pythonLevels, name) {
		return 0, "", false
	}
	return level(name), msg, true
}

// pythonLevels are the levels of Python's logging.
var pythonLevels = []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

// parseJSON reads a line of hclog, slog, zap, zerolog and their like. Whatever does
// not look like one is text.
func parseJSON(text string) (lvl hclog.Level, msg string, keys []any, ok bool) {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&fields) != nil || len(fields) > maxKeys {
		return 0, "", nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return 0, "", nil, false
	}
	msg, ok = takeString(fields, "@message", "msg", "message")
	if !ok {
		return 0, "", nil, false
	}
	name, _ := takeString(fields, "@level", "level", "severity", "lvl")
	takeString(fields, "@timestamp", "time", "ts", "timestamp")
	if first, printable := oneLine(msg); !printable {
		msg, keys = first, append(keys, "text", msg)
	}
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if strings.ContainsFunc(k, unicode.IsControl) {
			return 0, "", nil, false // as JSON it is escaped
		}
		v := fields[k]
		if _, plain := v.(string); !plain {
			if b, err := json.Marshal(v); err == nil {
				v = string(b)
			}
		}
		keys = append(keys, k, v)
	}
	return level(name), msg, keys, true
}

// oneLine is the first line of a message, escaped as Go would do it, and whether that
// is all of it. The library had escaped what clients put there; written out as it was
// meant, it could look like lines of our own.
func oneLine(msg string) (first string, same bool) {
	first, _, _ = strings.Cut(msg, "\n")
	if strings.ContainsFunc(first, unicode.IsControl) {
		quoted := strconv.Quote(first)
		first = quoted[1 : len(quoted)-1]
	}
	return first, first == msg
}

// takeString removes the first of the names that holds a text and returns it.
func takeString(fields map[string]any, names ...string) (string, bool) {
	for _, name := range names {
		if s, ok := fields[name].(string); ok {
			delete(fields, name)
			return s, true
		}
	}
	return "", false
}

// text is lines as the log shows them below its own.
func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// lines cuts a text into its lines.
func lines(text string) []string {
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}
