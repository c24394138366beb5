package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/handoff"
)

// try loads a configuration from text, an environment and a command line.
type try struct {
	hcl  string
	env  []string
	args []string
	app  string
	dev  bool
}

func (tt try) load(t *testing.T) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	s := Source{Environ: append([]string{}, tt.env...), Dir: dir, Dev: tt.dev}
	if tt.hcl != "" {
		s.File = filepath.Join(dir, "appd.hcl")
		if err := os.WriteFile(s.File, []byte(tt.hcl), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Flags = AddFlags(set)
	if err := set.Parse(tt.args); err != nil {
		t.Fatal(err)
	}
	if tt.app != "" {
		s.App = &Program{Word: tt.app, Kind: WSGI, Words: []string{tt.app}}
	}
	return Load(s)
}

func (tt try) must(t *testing.T) *Config {
	t.Helper()
	c, err := tt.load(t)
	if err != nil {
		t.Fatalf("%s\n%v", tt.hcl, err)
	}
	return c
}

const minimal = "app { command = [\"x\"] }\nlisten \"unix:/run/x\" {}\n"

// TestPrecedence writes one setting in more and more places; the last wins.
func TestPrecedence(t *testing.T) {
	for _, tt := range []struct {
		name string
		try
		want int
		from string
	}{
		{"default", try{hcl: minimal}, cpus(), "default"},
		{"WEB_CONCURRENCY", try{hcl: minimal, env: []string{"WEB_CONCURRENCY=7"}}, 7, "environment WEB_CONCURRENCY"},
		{"file", try{hcl: minimal + "workers = 2", env: []string{"WEB_CONCURRENCY=7"}}, 2, "appd.hcl:3"},
		{"environment", try{hcl: minimal + "workers = 2", env: []string{"APPD_WORKERS=3"}}, 3, "environment APPD_WORKERS"},
		{"empty variable", try{hcl: minimal + "workers = 2", env: []string{"APPD_WORKERS="}}, 2, "appd.hcl:3"},
		{"command line", try{hcl: minimal + "workers = 2", env: []string{"APPD_WORKERS=3"}, args: []string{"-w4"}}, 4, "command line --workers"},
		{"the last flag", try{hcl: minimal, args: []string{"-w4", "--workers=5"}}, 5, "command line --workers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.must(t)
			from := c.Where(&c.Workers).String()
			if c.Workers != tt.want || !strings.HasSuffix(from, tt.from) {
				t.Errorf("workers = %d from %s, want %d from %s", c.Workers, from, tt.want, tt.from)
			}
		})
	}
}

// TestListeners: -b over APPD_BIND over blocks over PORT over the default.
func TestListeners(t *testing.T) {
	block := "app { wsgi = \"m\" }\nlisten \"127.0.0.1:1\" { backlog = 5 }\n"
	for _, tt := range []struct {
		name string
		try
		want string
	}{
		{"an app of the command line", try{app: "m"}, "127.0.0.1:8000/2048"},
		{"PORT", try{app: "m", env: []string{"PORT=99"}}, "0.0.0.0:99/2048"},
		{"PORT and a file without listen", try{hcl: "app { wsgi = \"m\" }", env: []string{"PORT=99"}}, "0.0.0.0:99/2048"},
		{"PORT and a file with listen", try{hcl: block, env: []string{"PORT=99"}}, "127.0.0.1:1/5"},
		{"a managed nginx", try{hcl: "app { wsgi = \"m\" }\nrun_dir = \"/run/x\"\nnginx { manage = true }", env: []string{"PORT=99"}}, "unix:/run/x/app.sock/2048"},
		{"a managed nginx and listen", try{hcl: block + "nginx { manage = true }"}, "127.0.0.1:1/5"},
		{"PORT and an nginx of its own", try{hcl: "app { wsgi = \"m\" }\nnginx {}", env: []string{"PORT=99"}}, "0.0.0.0:99/2048"},
		{"APPD_BIND", try{hcl: block, env: []string{"APPD_BIND=127.0.0.1:2,127.0.0.1:1"}}, "127.0.0.1:2/2048 127.0.0.1:1/5"},
		{"-b", try{hcl: block, env: []string{"APPD_BIND=127.0.0.1:2"}, args: []string{"-b", "127.0.0.1:3", "-b127.0.0.1:4"}}, "127.0.0.1:3/2048 127.0.0.1:4/2048"},
		{"--backlog", try{hcl: block, args: []string{"--backlog", "9"}}, "127.0.0.1:1/9"},
		{"APPD_BACKLOG", try{app: "m", env: []string{"APPD_BACKLOG=8"}}, "127.0.0.1:8000/8"},
		{"dev adds a TCP address", try{hcl: "app { wsgi = \"m\" }\nlisten \"unix:/run/x\" {}", dev: true}, "unix:/run/x/2048 127.0.0.1:8000/2048"},
		{"dev leaves a TCP address", try{hcl: block, dev: true}, "127.0.0.1:1/5"},
		{"dev needs no listen", try{hcl: "app { wsgi = \"m\" }", dev: true}, "127.0.0.1:8000/2048"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, l := range tt.must(t).Listen {
				got = append(got, l.Address+"/"+(&Setting{Form: Int}).format(&l.Backlog))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("listeners %v, want %s", got, tt.want)
			}
		})
	}
}

func TestDev(t *testing.T) {
	c := try{hcl: minimal + "workers = 4\nworkers_min = 1\nworkers_max = 5", dev: true}.must(t)
	if !c.Reload || c.Workers != 1 || c.WorkersMax != 0 || c.AccessLog != "-" || time.Duration(c.Worker.GracefulTimeout) != time.Second {
		t.Errorf("reload %v, workers %d..%d, access log %q, graceful %v", c.Reload, c.Workers, c.WorkersMax, c.AccessLog, c.Worker.GracefulTimeout)
	}
	c = try{hcl: minimal + "accesslog = \"a.log\"\ngraceful_timeout = 9", args: []string{"-w3"}, dev: true}.must(t)
	if c.Workers != 3 || filepath.Base(c.AccessLog) != "a.log" || time.Duration(c.Worker.GracefulTimeout) != 9*time.Second {
		t.Errorf("what was written does not stand: workers %d, access log %q, graceful %v", c.Workers, c.AccessLog, c.Worker.GracefulTimeout)
	}
}

func TestExpressions(t *testing.T) {
	c := try{
		hcl: minimal + `workers = max(2, min(3, 2 * cpus() + 1))
proc_name = "${env("NAME", "x")}-${env("OTHER", "y")}"
user      = env("WHO")
timeout   = 1.5`,
		env: []string{"NAME=shop", "WHO=" + strconv.Itoa(os.Geteuid())},
	}.must(t)
	if c.Workers != min(3, 2*cpus()+1) || c.ProcName != "shop-y" || time.Duration(c.Worker.Timeout) != 1500*time.Millisecond {
		t.Errorf("workers %d, proc_name %q, timeout %v", c.Workers, c.ProcName, c.Worker.Timeout)
	}
}

// TestHanded: only what somebody wrote is handed over, so what a program chose in
// code stands otherwise.
func TestHanded(t *testing.T) {
	c := try{hcl: minimal + "timeout = \"7s\"", env: []string{"APPD_KEEPALIVE=3"}, args: []string{"--limit-request-body", "1m"}}.must(t)
	var written map[string]any
	if err := json.Unmarshal(c.Handed(), &written); err != nil {
		t.Fatal(err)
	}
	if len(written) != 3 {
		t.Errorf("handed over: %v", written)
	}
	chosen := handoff.Defaults()
	chosen.Timeout, chosen.ReadTimeout = handoff.Duration(time.Hour), handoff.Duration(time.Minute)
	if err := json.Unmarshal(c.Handed(), &chosen); err != nil {
		t.Fatal(err)
	}
	if time.Duration(chosen.Timeout) != 7*time.Second || time.Duration(chosen.ReadTimeout) != time.Minute ||
		time.Duration(chosen.KeepAlive) != 3*time.Second || chosen.LimitBody != 1<<20 {
		t.Errorf("a worker ends up with %+v", chosen)
	}
}

// A setting that is handed over has the name under which a worker knows it, and a
// worker knows none that nobody can write.
func TestHandedNames(t *testing.T) {
	known := map[string]bool{}
	for f := range reflect.TypeFor[handoff.Settings]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = true
	}
	for _, s := range Settings {
		if s.Inside && !known[s.Name] {
			t.Errorf("no worker knows %s", s.Name)
		}
		if s.Inside {
			delete(known, s.Name)
		}
	}
	for name := range known {
		t.Errorf("nobody can write %s", name)
	}
}

func TestNeedUpgrade(t *testing.T) {
	a := try{hcl: minimal}.must(t)
	b := try{hcl: minimal + "pidfile = \"/x\"\nworkers = 2\nuser = \"" + strconv.Itoa(os.Geteuid()) + "\""}.must(t)
	if got := a.NeedUpgrade(b); !slices.Equal(got, []string{"pidfile", "user"}) {
		t.Errorf("NeedUpgrade = %v", got)
	}
}

func TestEnvFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.env")
	text := "# no\n\nA=1\n export B = two words \nC='$x \"'\nD=\"line\\nend\"\nE=\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c := try{hcl: "app {\n command = [\"x\"]\n env = { A = 2, F = true }\n env_file = \"" + file + "\"\n}\nlisten \"unix:/run/x\" {}", args: []string{"-eE=5"}}.must(t)
	want := map[string]string{"A": "2", "B": "two words", "C": "$x \"", "D": "line\nend", "E": "5", "F": "true"}
	for k, v := range want {
		if c.App.Env[k] != v {
			t.Errorf("%s = %q, want %q", k, c.App.Env[k], v)
		}
	}
	if len(c.App.Env) != len(want) {
		t.Errorf("environment %v", c.App.Env)
	}
}

// TestRelativePaths: those of the file start at its folder, others at ours.
func TestRelativePaths(t *testing.T) {
	other := t.TempDir()
	file := filepath.Join(other, "appd.hcl")
	if err := os.WriteFile(file, []byte("app { command = [\"x\"] }\nlisten \"unix:a\" {}\naccesslog = \"a.log\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	here := t.TempDir()
	c, err := Load(Source{File: file, Dir: here, Environ: []string{"APPD_PIDFILE=p"}})
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		c.AccessLog: other + "/a.log", c.PIDFile: here + "/p", c.Listen[0].Address: "unix:" + other + "/a", c.App.Chdir: other, c.App.Name: filepath.Base(other),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestMisspeltVariable(t *testing.T) {
	c := try{hcl: minimal, env: []string{"APPD_WORKRES=3", "APPD_HANDOFF=x", "APPD_SERVICE_HOST=10.0.0.1"}}.must(t)
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings.Error(), "Did you mean APPD_WORKERS?") {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestLocateBrokenFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "appd.hcl")
	if err := os.WriteFile(file, []byte("run_dir = \"here\"\nwokers = 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _, err := Locate(Source{File: file, Dir: "/", Environ: []string{}}); err != nil || got != dir+"/here" {
		t.Errorf("Locate = %q, %v", got, err)
	}
}

// What gunicorn's users call the worker classes, and what threads do to them.
func TestWorkerClasses(t *testing.T) {
	for _, c := range []struct {
		args    []string
		class   string
		threads int
		warning string
	}{
		{nil, "sync", 1, ""},
		{[]string{"--threads=4"}, "gthread", 4, ""},
		{[]string{"-k", "sync", "--threads=4"}, "gthread", 4, ""},
		{[]string{"-k", "gevent_pywsgi"}, "gevent", 1, ""},
		{[]string{"-k", "gevent_wsgi"}, "gevent", 1, ""},
		{[]string{"-k", "gunicorn.workers.ggevent.GeventPyWSGIWorker"}, "gevent", 1, ""},
		{[]string{"-k", "gunicorn.workers.ggevent.GeventWorker"}, "gevent", 1, ""},
		{[]string{"-k", "egg:gunicorn#gevent"}, "gevent", 1, ""},
		{[]string{"-k", "gunicorn.workers.gthread.ThreadWorker"}, "gthread", 1, ""},
		{[]string{"-k", "gevent", "--threads=4"}, "gevent", 1, "threads has no effect with worker_class gevent"},
	} {
		got, err := try{hcl: "app { wsgi = \"m\" }\nlisten \"unix:/run/x\" {}\n", args: c.args}.load(t)
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		if got.App.WorkerClass != c.class || got.Worker.Threads != c.threads || !strings.Contains(got.Warnings.Error(), c.warning) || (c.warning == "") != (len(got.Warnings) == 0) {
			t.Errorf("%q: class %s, %d threads, warnings %v", c.args, got.App.WorkerClass, got.Worker.Threads, got.Warnings)
		}
	}
}
