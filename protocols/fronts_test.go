package protocols

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/http1"
	"github.com/appd-server/appd/protocols/uwsgi"
)

var update = flag.Bool("update", false, "write testdata/fronts.txtar anew")

// TestFronts builds the request and the variables of everything that the codecs'
// captures of real fronts hold, and compares them with testdata/fronts.txtar.
func TestFronts(t *testing.T) {
	got := &txtar.Archive{Comment: []byte("What a Go handler and a Python application get of the captures beside the codecs.\n\n")}
	for _, p := range golden.Load(t, "fastcgi/testdata/*.txtar") {
		got.Files = append(got.Files, front(t, "fastcgi/"+p.Name, fastcgi.NewCodec(cgi.Limits{}), p.Wire))
	}
	for _, p := range golden.Load(t, "uwsgi/testdata/*.txtar") {
		got.Files = append(got.Files, front(t, "uwsgi/"+p.Name, uwsgi.NewCodec(cgi.Limits{}), p.Wire))
	}
	for name, wire := range httpCaptures(t) {
		trust, err := http1.NewTrust([]string{"127.0.0.1"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		c := http1.NewCodec(&http1.Config{Trust: trust, Proxy: strings.Contains(name, "proxy-v2")}, netip.AddrPort{}, netip.AddrPort{})
		got.Files = append(got.Files, front(t, "http1/"+name, c, wire))
	}
	const file = "testdata/fronts.txtar"
	if *update {
		if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	expected := make(map[string]string)
	for _, f := range want.Files {
		expected[f.Name] = string(f.Data)
	}
	if len(got.Files) != len(want.Files) {
		t.Errorf("%d captures, %d expectations", len(got.Files), len(want.Files))
	}
	for _, f := range got.Files {
		if string(f.Data) != expected[f.Name] {
			t.Errorf("%s: got\n%s\nwant\n%s", f.Name, f.Data, expected[f.Name])
		}
	}
}

// front describes the first request on the wire, which is all that a codec hands
// out before an answer unless the front multiplexes.
func front(t *testing.T, name string, c cgi.Codec, wire []byte) txtar.File {
	t.Helper()
	r := new(golden.Recorder)
	var b strings.Builder
	if _, err := c.Feed(wire, r); err != nil && len(r.Requests) == 0 {
		fmt.Fprintf(&b, "no request: %v\n", err) // a ping, an authorizer
	}
	for _, q := range r.Requests {
		request, err := NewRequest(context.Background(), q.Head, cgi.Mount{})
		if err != nil {
			fmt.Fprintf(&b, "refused: %v\n\n", err)
			continue
		}
		env, err := q.Head.Environ(nil, cgi.Mount{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.WriteString(describe(request) + "\n")
		for n, v := range env.All() {
			fmt.Fprintf(&b, "%s=%s\n", n, strings.Trim(strconv.Quote(v), `"`))
		}
		b.WriteString("\n")
	}
	return txtar.File{Name: name, Data: []byte(short(strings.TrimRight(b.String(), "\n")))}
}

// short cuts long lines.
func short(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 300 {
			line = fmt.Sprintf("%.60s... %d bytes", line, len(line))
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// httpCaptures reads the captures of package http1: lines of Go strings.
func httpCaptures(t *testing.T) func(yield func(string, []byte) bool) {
	t.Helper()
	files, err := filepath.Glob("http1/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no captures of HTTP", err)
	}
	return func(yield func(string, []byte) bool) {
		for _, file := range files {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var wire []byte
			for line := range strings.Lines(string(a.Files[0].Data)) {
				s, err := strconv.Unquote(strings.TrimSpace(line))
				if err != nil {
					t.Fatalf("%s: %s: %v", file, line, err)
				}
				wire = append(wire, s...)
			}
			if !yield(strings.TrimSuffix(filepath.Base(file), ".txtar"), wire) {
				return
			}
		}
	}
}
