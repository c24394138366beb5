package accesslog

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/protocols/cgi"
)

// open returns a descriptor of path as the supervisor opens logs.
func open(t testing.TB, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func compile(t testing.TB, format string) *Format {
	t.Helper()
	f, err := Compile(format)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Several workers, each with many goroutines, write into one file: no line is torn
// and none is lost, while the log is being reopened.
func TestLinesOfManyWritersStayWhole(t *testing.T) {
	const workers, goroutines, lines = 3, 4, 500
	dir := t.TempDir()
	var wg sync.WaitGroup
	for w := range workers {
		l := New(open(t, filepath.Join(dir, "0")), compile(t, `%(p)s %(U)s end`), Worker{PID: w}, 0)
		var done sync.WaitGroup
		for g := range goroutines {
			done.Go(func() {
				for i := range lines {
					l.Append(&Entry{Target: fmt.Sprintf("/%d/%d/%s", g, i, strings.Repeat("x", i%1500))})
				}
			})
		}
		wg.Go(func() {
			for i := range 5 {
				l.Reopen(open(t, filepath.Join(dir, fmt.Sprint(i))))
				l.Tick(0)
			}
			done.Wait()
			l.Flush()
			if n := l.Dropped(); n != 0 {
				t.Errorf("%d lines were dropped", n)
			}
		})
	}
	wg.Wait()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 5 {
		t.Fatalf("files %v, %v", files, err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if seen[line] || !strings.HasPrefix(line, "<") || !strings.HasSuffix(line, " end\n") || strings.Count(line, "<") != 1 {
				t.Fatalf("bad line %q", line)
			}
			seen[line] = true
		}
	}
	if len(seen) != workers*goroutines*lines {
		t.Errorf("%d lines, want %d", len(seen), workers*goroutines*lines)
	}
}

// A reader that has stopped must not stop the worker. Lines are kept up to a bound;
// what is beyond it is counted, and what was kept arrives whole.
func TestAStalledReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd, err := unix.Dup(int(w.Fd())) // Fd makes it blocking, as inherited pipes are
	if err != nil {
		t.Fatal(err)
	}
	l := New(fd, compile(t, `%(s)s %(U)s end`), Worker{}, 0)
	long := "/" + strings.Repeat("x", 1000)
	const lines = 3000
	for i := range lines {
		l.Append(&Entry{Status: 200, Target: long})
		if i%100 == 0 {
			l.Tick(0)
		}
	}
	dropped := l.Dropped()
	if dropped == 0 || dropped > lines-keepSize/len(long)*9/10 {
		t.Errorf("%d of %d lines dropped", dropped, lines)
	}
	w.Close()
	got := make(chan []byte)
	go func() { p, _ := io.ReadAll(r); got <- p }()
	for empty := false; !empty; {
		l.Flush()
		l.mu.Lock()
		empty = len(l.lines) == 0
		l.mu.Unlock()
	}
	l.sink.close()
	text := <-got
	if n := bytes.Count(text, []byte("200 "+long+" end\n")); n != lines-dropped || len(text) != n*len("200 "+long+" end\n") {
		t.Errorf("%d whole lines in %d bytes, want %d", n, len(text), lines-dropped)
	}
}

func TestAFullDiskIsCounted(t *testing.T) {
	l := New(open(t, "/dev/full"), compile(t, `%(s)s`), Worker{}, 0)
	for range 3 {
		l.Append(&Entry{})
	}
	l.Flush()
	l.Append(&Entry{})
	l.Flush()
	if n := l.Dropped(); n != 4 {
		t.Errorf("%d lines dropped, want 4", n)
	}
}

// The disk becomes full in the middle of a line and has room again: the next line is not
// glued to the half one.
func TestAHalfLineEndsBeforeTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	defer unix.Setrlimit(unix.RLIMIT_FSIZE, &before)
	l := New(open(t, path), compile(t, `%(U)s`), Worker{}, 0)
	unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 7, Max: before.Max})
	for _, target := range []string{"/one", "/two", "/three"} {
		l.Append(&Entry{Target: target})
	}
	l.Flush()
	l.Append(&Entry{Target: "/four"})
	l.Flush()
	unix.Setrlimit(unix.RLIMIT_FSIZE, &before)
	l.Append(&Entry{Target: "/five"})
	l.Flush()
	if text, err := os.ReadFile(path); string(text) != "/one\n/t\n/five\n" {
		t.Errorf("%q, %v", text, err)
	}
	if n := l.Dropped(); n != 3 {
		t.Errorf("%d lines dropped, want 3", n)
	}
}

func TestNoLog(t *testing.T) {
	l := New(0, nil, Worker{}, 0)
	if l.Enabled() {
		t.Error("a log without a descriptor is enabled")
	}
	l.Append(&Entry{})
	l.Tick(0)
	l.Flush()
	l.Reopen(0)
	if l.Dropped() != 0 {
		t.Error("a log without a descriptor drops lines")
	}
}

func TestTheLogFollowsTheClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := New(open(t, path), compile(t, JSON), Worker{}, 1000)
	before := time.Now()
	l.Append(&Entry{End: 1000 + int64(3*time.Hour)})
	l.Flush()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `"time":"`)
	stamp, _, _ := strings.Cut(rest, `"`)
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if d := at.Sub(before.Add(3 * time.Hour)); err != nil || d.Abs() > time.Minute {
		t.Errorf("%s is %v off, %v", stamp, d, err)
	}
}

var benchmarkFormats = []string{`%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`, JSON}

func TestALineAllocatesNothing(t *testing.T) {
	for _, format := range benchmarkFormats {
		l := New(open(t, "/dev/null"), compile(t, format), Worker{}, 0)
		for _, p := range []cgi.Protocol{cgi.FastCGI, cgi.HTTP} {
			e := request(p)
			if n := testing.AllocsPerRun(2000, func() {
				e := Entry{Head: e.Head, Remote: "192.0.2.7", Status: 200, Bytes: 12, End: 1, Took: time.Millisecond, Fields: e.Fields}
				l.Append(&e)
			}); n != 0 {
				t.Errorf("%v allocations for a line of %s over %s", n, format, p)
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for i, name := range []string{"gunicorn", "json"} {
		b.Run(name, func(b *testing.B) {
			l := New(open(b, "/dev/null"), compile(b, benchmarkFormats[i]), Worker{}, 0)
			r := request(cgi.FastCGI)
			for len(r.Head.Vars) < 20 {
				r.Head.Vars = append(r.Head.Vars, cgi.Var{Name: fmt.Sprintf("SERVER_THING_%d", len(r.Head.Vars)), Value: "value"})
			}
			for b.Loop() {
				e := Entry{Head: r.Head, Method: "GET", Target: "/a/b?x=1", Proto: "HTTP/1.1", Remote: "192.0.2.7", Status: 200, Bytes: 12, End: 1, Took: time.Millisecond, Fields: r.Fields}
				l.Append(&e)
			}
		})
	}
}
