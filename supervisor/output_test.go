package supervisor

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// collect runs text through a collector and returns the entries of the log.
func collect(t *testing.T, text string) (list []string, last []string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	j := newJournal(&Config{})
	c := &collector{log: j, keys: []any{"pid", 7}}
	c.tail = &tail{}
	go func() {
		w.WriteString(text)
		w.Close()
	}()
	c.read(r)
	for {
		select {
		case e := <-j.entries:
			list = append(list, fmt.Sprintf("%s|%s|%v", e.level, e.text, e.keys[2:]))
		default:
			return list, c.tail.last()
		}
	}
}

func TestOutputBecomesEntries(t *testing.T) {
	goPanic := "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1d\nexit status 2"
	traceback := "Traceback (most recent call last):\n  File \"x.py\", line 1, in f\n    g()\nValueError: no"
	chained := traceback + "\n\nDuring handling of the above exception, another exception occurred:\n\n" + traceback
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"lines":     {"one\ntwo\r\n\nthree", []string{"none|one|[]", "none|two|[]", "none||[]", "none|three|[]"}},
		"panic":     {"before\n" + goPanic + "\n", []string{"none|before|[]", "error|" + goPanic + "|[]"}},
		"traceback": {traceback + "\nafter\n", []string{"error|" + traceback + "|[]", "none|after|[]"}},
		"hclog":     {`{"@level":"warn","@message":"low","@timestamp":"x","disk":3,"on":"a b"}` + "\n", []string{"warn|low|[disk 3 on a b]"}},
		"slog":      {`{"time":"2026","level":"ERROR","msg":"no","n":{"a":[1]}}` + "\n", []string{`error|no|[n {"a":[1]}]`}},
		"several lines": {`{"level":"error","msg":"login of bob\n2026-11-21T03:08:34Z [INFO]  appd: all is well"}` + "\n",
			[]string{"error|login of bob|[text login of bob\n2026-11-21T03:08:34Z [INFO]  appd: all is well]"}},
		"escape in a message": {`{"msg":"a\u001b[2Jb"}` + "\n", []string{"info|a\\x1b[2Jb|[text a\x1b[2Jb]"}},
		"line end in a key":   {`{"msg":"x","a\nb":1}` + "\n", []string{`none|{"msg":"x","a\nb":1}|[]`}},
		"python":              {"[ERROR] error in GET /\n[INFO] up\n[NOTE] x\n[", []string{"error|error in GET /|[]", "info|up|[]", "none|[NOTE] x|[]", "none|[|[]"}},
		"odd types":           {`{"level":7,"msg":["x"]}` + "\n", []string{`none|{"level":7,"msg":["x"]}|[]`}},
		"no message":          {`{"a":1}` + "\n", []string{`none|{"a":1}|[]`}},
		"half":                {`{"msg":"x"` + "\n", []string{`none|{"msg":"x"|[]`}},
		"two":                 {`{"msg":"x"} {"msg":"y"}` + "\n", []string{`none|{"msg":"x"} {"msg":"y"}|[]`}},
		"long":                {strings.Repeat("x", maxLine+5) + "\n", []string{"none|" + strings.Repeat("x", maxLine) + "|[]", "none|xxxxx|[]"}},
	} {
		if got, _ := collect(t, test.text); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if got, _ := collect(t, chained+"\nafter\n"); len(got) < 2 || !strings.HasPrefix(got[0], "error|Traceback") || got[len(got)-1] != "none|after|[]" {
		t.Errorf("chained: %q", got)
	}
	var many strings.Builder
	for i := range 200 {
		fmt.Fprintln(&many, i)
	}
	if _, last := collect(t, many.String()); len(last) != maxTail || last[maxTail-1] != "199" {
		t.Errorf("last lines %q", last)
	}
	endless := "panic: x\n" + strings.Repeat(strings.Repeat("y", 1000)+"\n", 200)
	if got, _ := collect(t, endless); len(got) < 3 || len(got[0]) > maxGroup+2000 {
		t.Errorf("%d entries, the first of %d bytes", len(got), len(got[0]))
	}
}

// FuzzOutput: whatever a worker prints, the reader ends and memory is bounded.
func FuzzOutput(f *testing.F) {
	f.Add([]byte("a\nb"))
	f.Add([]byte(`{"msg":"x","level":"warn","k":[1,{"a":null}]}` + "\n"))
	f.Add([]byte("Traceback (most recent call last):\n x\nE\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		j := newJournal(&Config{})
		c := &collector{log: j, tail: &tail{}}
		for len(text) > 0 {
			n := min(len(text), 1+len(text)/3)
			c.take(text[:n])
			text = text[n:]
			for len(j.entries) > 0 {
				<-j.entries
			}
		}
		if len(c.buf) > maxLine || c.group.Len() > maxGroup+maxLine {
			t.Errorf("%d and %d bytes are kept", len(c.buf), c.group.Len())
		}
	})
}

// stuckLog never takes an entry until it is freed.
type stuckLog struct{ free chan struct{} }

func (s stuckLog) Write(p []byte) (int, error) {
	<-s.free
	return len(p), nil
}

// A log that does not move stops neither the loop nor, after a second, the workers.
func TestAStuckLogBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := stuckLog{make(chan struct{})}
		log := hclog.New(&hclog.LoggerOptions{Output: sink})
		j := newJournal(&Config{Log: log, Output: log})
		go j.run()
		begun := time.Now()
		for range 3 * journalRoom {
			j.Info("from the loop")
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("the loop waited %v", d)
		}
		for range 100 {
			j.relay(hclog.Info, "from a worker", nil)
		}
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("a worker waited %v", d)
		}
		close(sink.free)
		j.close()
		if j.dropped.Load() != 0 {
			t.Error("the loss was not reported")
		}
	})
}

// A worker dies while nobody reads the pipe that the access log goes to: the loop must
// not wait for it.
func TestAccessLogTakesNoMore(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	l := &logs{access: &logFile{fd: int(w.Fd())}}
	line := []byte(strings.Repeat("x", 99) + "\n")
	written := 0
	for l.write(line) {
		if written++; written > 1<<20/len(line) {
			t.Fatal("the pipe takes everything")
		}
	}
	if written == 0 {
		t.Error("an empty pipe took nothing")
	}
	if _, err := io.CopyN(io.Discard, r, int64(written*len(line))); err != nil {
		t.Fatal(err)
	}
	if !l.write(line) {
		t.Error("nothing was taken when there was room again")
	}
}

// What the log could not write is told behind the first entry that it could.
func TestWhatTheLogLostIsTold(t *testing.T) {
	var out lockedBuffer
	lost := 3
	j := newJournal(&Config{Log: hclog.New(&hclog.LoggerOptions{Output: &out}), LogLost: func() (int, error) {
		defer func() { lost = 0 }()
		return lost, syscall.ENOSPC
	}})
	go j.run()
	j.Info("first")
	j.Info("second")
	j.close()
	if n := strings.Count(out.String(), `lines=3 error="no space left on device"`); n != 1 {
		t.Errorf("told %d times\n%s", n, out.String())
	}
}
