package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/internal/status"
)

// TestEverySettingCounts writes each setting of the table into a file and looks
// whether anything that appd does with the configuration becomes different. A
// setting that is read and then forgotten fails here.
func TestEverySettingCounts(t *testing.T) {
	for _, s := range config.Settings {
		name := strings.Trim(string(s.Block)+"."+s.Name, ".")
		t.Run(name, func(t *testing.T) {
			base := effects(t, sampleFile(s, ""))
			with := effects(t, sampleFile(s, sampleValue(t, s)))
			if base == with {
				t.Errorf("%s = %s changes nothing:\n%s", s.Name, sampleValue(t, s), with)
			}
		})
	}
}

// sampleFile is a configuration for an application that may have the setting,
// which is left out if value is empty.
func sampleFile(s *config.Setting, value string) string {
	put := func(b config.Block) string {
		if b != s.Block || value == "" {
			return ""
		}
		return fmt.Sprintf("  %s = %s\n", s.Name, value)
	}
	kind := "wsgi = \"m:app\""
	switch s.Name {
	case "go", "fastcgi", "exec", "wsgi":
		kind = ""
		if value == "" || s.Block != config.InApp {
			kind = "command = [\"other\"]"
		}
	case "command":
		kind = ""
		if value == "" || s.Block == config.InHook {
			kind = "wsgi = \"m:app\""
		}
	case "build_flags":
		kind = "go = \"./x\""
	case "ready_after", "stop_signal":
		kind = "exec = [\"x\"]"
	}
	protocol := "protocol = \"http\"\n"
	switch s.Name {
	case "protocol", "fastcgi", "fastcgi_stderr", "uwsgi_chunked_input":
		protocol = ""
	}
	second := "listen \"unix:/run/two\" {\n" + protocol + "}\n"
	if s.Name == "fastcgi" && value != "" {
		second = ""
	}
	both := map[string]string{"workers_min": "workers_max = 9\n", "workers_max": "workers_min = 1\n", "max_requests_jitter": "max_requests = 5\n", "max_age_jitter": "max_age = 5\n"}[s.Name]
	if strings.HasPrefix(s.Name, "workers_m") && value == "" {
		both = ""
	}
	hook := "hook \"when_ready\" {\n command = [\"x\"]\n}\n"
	switch {
	case s.Block == config.InHook && s.Name == "python":
		hook = "hook \"post_fork\" {\n" + cmp.Or(put(config.InHook), "python = \"n:g\"\n") + "}\n"
	case s.Block == config.InHook:
		hook = "hook \"when_ready\" {\n" + cmp.Or(put(config.InHook), "command = [\"other\"]\n") + "}\n"
	}
	root := "root = \"/\"\n"
	if s.Block == config.InStatic && (s.Name == "root" || s.Name == "alias") {
		root = cmp.Or(put(config.InStatic), "root = \"/other\"\n")
	} else {
		root += put(config.InStatic)
	}
	return "app {\n" + kind + "\n" + put(config.InApp) + "}\n" +
		"listen \"unix:/run/one\" {\n" + protocol + put(config.InListen) + "}\n" + second +
		both + put(config.Top) + hook +
		"admin \"unix:/run/admin\" {\n" + put(config.InAdmin) + "}\n" +
		"nginx {\n" + put(config.InNginx) + "static \"/s/\" {\n" + root + "}\n}\n"
}

// samples are values for settings whose form does not say enough.
var samples = map[string]string{
	"chdir": `"/"`, "env_file": `"%s"`, "python": `"python3.99"`, "worker_class": `"gthread"`, "mount": `"/shop"`, "stop_signal": `"INT"`,
	"protocol": `"uwsgi"`, "front": `"caddy"`, "path_from": `"request-uri"`, "forwarded_allow_ips": `"10.0.0.0/8"`, "allow_peers": `"root"`, "owner": `"root"`,
	"group": strconv.Quote(strconv.Itoa(os.Getegid())), "user": strconv.Quote(strconv.Itoa(os.Geteuid())), // others are root's to give
	"loglevel": `"debug"`, "log_format": `"json"`, "reload_engine": `"poll"`, "access_log_format": `"json"`,
	"upstream": `"unix:/run/two"`, "listen": `"8081"`, "go": `"./y"`, "hook.python": `"m:f"`, "limit_request_params": `"64KiB"`,
	"limit_request_fields": "7", "limit_request_line": "77",
}

func sampleValue(t *testing.T, s *config.Setting) string {
	t.Helper()
	if v, ok := samples[string(s.Block)+"."+s.Name]; ok {
		return v
	}
	if v, ok := samples[s.Name]; ok {
		if strings.Contains(v, "%s") {
			file := filepath.Join(t.TempDir(), "env")
			if err := os.WriteFile(file, []byte("FROM_FILE=1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf(v, file)
		}
		return v
	}
	switch s.Form {
	case config.Bool:
		if s.Default == "true" || s.NoFlag != "" {
			return "false"
		}
		return "true"
	case config.Int:
		return "3"
	case config.Size:
		return `"3MiB"`
	case config.Duration:
		return `"77s"`
	case config.List, config.Words:
		return `["sample"]`
	case config.Map:
		return `{ SAMPLE = "1" }`
	case config.Bits:
		return `"0604"`
	}
	return `"sample"`
}

// effects is everything that appd does with a configuration, as text: what it tells
// the supervisor, the compiler, Python, nginx, and what it does itself.
func effects(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "appd.hcl")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Source{File: file, Environ: []string{}})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	s, err := settings(c, "/run/x")
	if err != nil {
		t.Fatal(err)
	}
	s.App.Prepare = nil
	tree := make([]string, 0, 2)
	for _, tr := range sourceTrees(c) {
		tree = append(tree, tr.Dir)
	}
	var admins []status.Address
	for _, a := range c.Admin {
		admins = append(admins, address(a))
	}
	all := []any{
		s.App, s.Listeners, s.Workers, s.WorkersMin, s.WorkersMax, s.BootTimeout, s.GracefulTimeout, s.Timeout, s.HookTimeout, s.StopDelay, s.Recycle,
		string(s.Settings), s.Hooks, s.PIDFile, s.AccessLog, s.ErrorLog, s.CaptureOutput, s.Dev, s.ExecVerb,
		(&preparer{c: c}).job(c.App.Chdir, 1), c.App.Before, c.App.Command, c.App.FastCGI, c.App.Exec, pythonApp(c, c.App.Chdir, "engine"), interpreter(c),
		sites(c), managed(c), admins, tree, sourceFiles(c), c.BrowserReload, c.ReloadEngine,
		logLevel(c.LogLevel), c.LogFormat, c.Daemon, c.InheritStdio, c.RunFolder(), c.CheckConfig, c.PrintConfig,
	}
	var out strings.Builder
	for _, what := range all {
		fmt.Fprintf(&out, "%+v\n", what)
	}
	return strings.ReplaceAll(out.String(), dir, "DIR")
}
