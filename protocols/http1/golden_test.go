package http1

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the codec makes of testdata/*.txtar into these files")

// golden is one capture: what a front sent on its connections to one backend, one
// after another, and the requests in it.
type golden struct {
	file    string
	archive *txtar.Archive
	wire    string
}

func goldens(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d files in testdata, %v", len(files), err)
	}
	all := make([]golden, len(files))
	for i, f := range files {
		a, err := txtar.ParseFile(f)
		if err != nil || len(a.Files) != 2 || a.Files[0].Name != "wire" || a.Files[1].Name != "requests" {
			t.Fatalf("%s: not a wire and its requests: %v", f, err)
		}
		all[i] = golden{file: f, archive: a}
		for line := range strings.Lines(string(a.Files[0].Data)) {
			s, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
			if err != nil {
				t.Fatalf("%s: %s: %v", f, line, err)
			}
			all[i].wire += s
		}
	}
	return all
}

// What real fronts send is understood, in whatever pieces it comes.
func TestFronts(t *testing.T) {
	cfg := &Config{Trust: mustTrust(t, 1)}
	for _, g := range goldens(t) {
		cfg.Proxy = strings.Contains(g.file, "proxy-v2")
		for _, size := range []int{whole, 1, 13} {
			var got strings.Builder
			rest := g.wire
			for rest != "" { // a new connection whenever the front asked for the end of one
				r, n := feedOne(t, cfg, rest, size)
				if n == 0 {
					t.Fatalf("%s: no progress at %.40q", g.file, rest)
				}
				rest = rest[n:]
				for i, h := range r.heads {
					got.WriteString(describe(h) + fmt.Sprintf("%q\n\n", r.bodies[i]))
				}
				if len(r.events) == 0 || r.events[len(r.events)-1] != "end" {
					t.Fatalf("%s: events %q", g.file, r.events)
				}
			}
			want := string(g.archive.Files[1].Data)
			if *update && got.String() != want {
				g.archive.Files[1].Data = []byte(got.String())
				if err := os.WriteFile(g.file, txtar.Format(g.archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != want {
				t.Errorf("%s, pieces of %d:\n%s\nwant:\n%s", g.file, size, got.String(), want)
			}
		}
	}
}

// feedOne feeds the first connection of in to a codec and returns how long it is.
func feedOne(t *testing.T, cfg *Config, in string, size int) (*recorder, int) {
	t.Helper()
	c, r := NewCodec(cfg, unixPeer, unixPeer), newRecorder()
	done, given := 0, 0
	for done < len(in) && c.KeepAlive() {
		given = min(max(given, done)+size, len(in))
		n, err := c.Feed([]byte(in[done:given]), r)
		if err != nil {
			t.Fatalf("%v at %.60q", err, in[done:])
		}
		done += n
		if c.state == atEnd {
			c.AppendAnswer(nil, requestID, ok(0), nil, true)
			given = done
			if cfg.Proxy && strings.HasPrefix(in[done:], signatureV2) {
				break
			}
		}
	}
	return r, done
}
