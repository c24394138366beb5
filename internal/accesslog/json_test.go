package accesslog

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/appd-server/appd/protocols/cgi"
)

func TestJSONLine(t *testing.T) {
	got := render(t, JSON, request(cgi.UWSGI))
	zone := time.Date(2026, 11, 21, 1, 2, 3, 0, time.Local).Format("Z07:00")
	want := `{"time":"2026-11-21T01:02:03.456` + zone + `","remote":"192.0.2.7","user":"ann","method":"POST","path":"/a/b","query":"x=1","proto":"HTTP/1.1","host":"shop.example",` +
		`"status":201,"bytes":512,"duration_ms":1234.567,"referer":"http://r/","user_agent":"curl/8","request_id":"7f3a","protocol":"uwsgi","worker":2,"gen":7,"pid":4711}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if http := render(t, JSON, request(cgi.HTTP)); http != strings.Replace(want, `"uwsgi"`, `"http"`, 1) {
		t.Errorf("over HTTP %s", http)
	}
}

func TestJSONOfNothing(t *testing.T) {
	got := render(t, JSON, Entry{})
	var v map[string]any
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	want := []string{"time", "status", "bytes", "duration_ms", "worker", "gen", "pid"}
	for _, name := range want {
		if _, ok := v[name]; !ok {
			t.Errorf("no %s in %s", name, got)
		}
		delete(v, name)
	}
	if len(v) != 0 {
		t.Errorf("also %v", v)
	}
}

// What a client sends stays one value of one line, and is read back as it was
// unless it was not UTF-8.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{"", "a\"b", "\\", "\x00\n\r\t\x7f", "\u0085\u2028\u2029", "\xff\xfe", "ä€🙂", "\xf0\x9f", "</script>", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := quote([]byte(nil), s)
		for i, c := range string(quoted) {
			if c < ' ' || c >= 0x7f && c <= 0x9f || c == 0x2028 || c == 0x2029 {
				t.Errorf("%q gives %q with %q at %d", s, quoted, c, i)
			}
		}
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%q gives %q: %v", s, quoted, err)
		}
		want := s
		if !utf8.ValidString(s) {
			want = string([]rune(s))
		}
		if !reflect.DeepEqual(back, want) {
			t.Errorf("%q is read back as %q", s, back)
		}
	})
}
