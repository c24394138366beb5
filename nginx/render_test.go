// Rendered sites against golden files, and against the real nginx -t.

package nginx

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sites are the configurations that the golden files show.
var sites = map[string]Site{
	"fastcgi": {
		Name: "shop", Listen: []string{"8080"}, ServerName: []string{"shop.example", "www.shop.example"},
		Protocol: "fastcgi", Upstream: "unix:/run/shop/app.sock", KeepAlive: 32, Timeout: 30 * time.Second,
		Static: []Static{
			{Prefix: "/static/", Root: "/srv/shop/public", Expires: time.Hour},
			{Prefix: "/protected/", Alias: "/srv/shop/files", Internal: true},
			{Prefix: "/favicon.ico", Alias: "/srv/shop/public/favicon.ico"},
		},
	},
	"fastcgi-plain": {Name: "plain", Protocol: "fastcgi", Upstream: "127.0.0.1:9000", MaxBody: 8 << 20},
	"uwsgi": {
		Name: "my-shop", Listen: []string{"127.0.0.1:8080", "[::1]:8080"}, Protocol: "uwsgi",
		Upstream: "unix:/run/shop/app.sock", KeepAlive: 32, Timeout: 5 * time.Minute, NoBuffering: true,
	},
	"uwsgi-mount": {
		Name: "shop", Listen: []string{"8080"}, Protocol: "uwsgi", Upstream: "unix:/run/shop/my app.sock",
		Mount: "/shop/", Timeout: 1500 * time.Millisecond, NoRequestBuffering: true,
		Static: []Static{{Prefix: "/shop/static/", Alias: "/srv/shop/static files/"}},
	},
	"http": {
		Name: "shop", Listen: []string{"8080"}, ServerName: []string{`~^(?<sub>.+)\.shop\.example$`}, Protocol: "http",
		Upstream: "unix:/run/shop/app.sock", KeepAlive: 16, Timeout: 30 * time.Second, Idle: 10 * time.Second,
	},
	"http-close-mount": {
		Name: "shop", Listen: []string{"unix:/run/shop/front.sock"}, Protocol: "http", Upstream: "127.0.0.1:8000",
		Mount: "/shop", MaxBody: 1 << 30, NoBuffering: true, NoRequestBuffering: true,
	},
}

func TestRenderGolden(t *testing.T) {
	for name, site := range sites {
		t.Run(name, func(t *testing.T) {
			got, err := Render(site)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".conf")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("rendered site differs from %s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func TestRenderPassesNginx(t *testing.T) {
	needNginx(t)
	var all []Site
	for name, site := range sites {
		site.Listen = freeListen(t, site.Listen)
		all = append(all, site)
		if err := Test(t.Context(), "", site); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Test(t.Context(), "", all...); err != nil {
		t.Errorf("all in one nginx: %v", err)
	}
}

// freeListen moves sockets into a folder of the test; ports in use are no fault.
func freeListen(t *testing.T, listen []string) []string {
	out := make([]string, len(listen))
	for i, l := range listen {
		out[i] = l
		if strings.HasPrefix(l, "unix:") {
			out[i] = "unix:" + filepath.Join(t.TempDir(), "front.sock")
		}
	}
	return out
}

func TestRenderRefuses(t *testing.T) {
	good := Site{Name: "shop", Protocol: "http", Upstream: "127.0.0.1:8000"}
	for name, tt := range map[string]struct {
		spoil func(*Site)
		want  string
	}{
		"protocol":     {func(s *Site) { s.Protocol = "auto" }, `protocol "auto"`},
		"no name":      {func(s *Site) { s.Name = "" }, "needs a name"},
		"no upstream":  {func(s *Site) { s.Upstream = "unix:" }, "no upstream"},
		"mount":        {func(s *Site) { s.Mount = "shop" }, "mount"},
		"prefix":       {func(s *Site) { s.Static = []Static{{Prefix: "static", Root: "/srv"}} }, "slash"},
		"no folder":    {func(s *Site) { s.Static = []Static{{Prefix: "/static/"}} }, "either a root or an alias"},
		"both folders": {func(s *Site) { s.Static = []Static{{Prefix: "/s/", Root: "/a", Alias: "/b"}} }, "either a root or an alias"},
		"line feed":    {func(s *Site) { s.ServerName = []string{"a;\nload_module x"} }, "cannot stand"},
		"variable":     {func(s *Site) { s.Upstream = "unix:/run/$host.sock" }, "cannot stand"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			tt.spoil(&s)
			if text, err := Render(s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Render = %q, %v, want an error with %q", text, err, tt.want)
			}
		})
	}
	if _, err := Render(); err == nil {
		t.Error("Render of no site gives no error")
	}
}

// What a person wrote into a value stays a value: it opens no block of its own.
func TestRenderQuotes(t *testing.T) {
	needNginx(t)
	dir := filepath.Join(t.TempDir(), `a; } "b' {c} \d #e`)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := Test(t.Context(), "", Site{
		Name: "a; }", Listen: []string{"unix:" + filepath.Join(t.TempDir(), "f.sock")}, Protocol: "uwsgi",
		Upstream: "unix:" + dir + "/s", Mount: "/it's {me}", Static: []Static{{Prefix: "/a b;/", Root: dir}},
		ServerName: []string{`~^a{2}\.x$`},
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTestReportsNginx(t *testing.T) {
	needNginx(t)
	err := Test(t.Context(), "", Site{Name: "x", Protocol: "http", Upstream: "127.0.0.1:1", Listen: []string{"8080 sssl"}})
	found, ok := errors.AsType[*TestError](err)
	if !ok || !strings.Contains(found.Output, "sssl") {
		t.Errorf("Test = %v, want a *TestError that names sssl", err)
	}
	if err := Test(t.Context(), "/nowhere/nginx", sites["http"]); !errors.Is(err, ErrNotFound) {
		t.Errorf("Test without a program = %v, want ErrNotFound", err)
	}
}

// needNginx fails the test when nginx is missing, unless that was asked for.
func needNginx(t *testing.T) {
	t.Helper()
	for skip := range strings.SplitSeq(os.Getenv("APPD_TEST_SKIP"), ",") {
		if skip == "nginx" {
			t.Skip("APPD_TEST_SKIP names nginx")
		}
	}
	if _, err := Find(""); err != nil {
		t.Fatalf("%v; to go on without it: APPD_TEST_SKIP=nginx", err)
	}
}
