package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestWrong holds what is said about wrong configurations: where, and what about.
// Where starts with the line; text follows.
func TestWrong(t *testing.T) {
	const app, sock = "app { command = [\"x\"] }\n", "listen \"unix:/run/x\" {}\n"
	long := strings.Repeat("x", 110)
	for _, tt := range []struct{ hcl, want string }{
		{"app {\n  x = \n}", `2:7: invalid expression`},
		{sock + "workers = 1", `1:1: there is no app block`},
		{app + app + sock, `2:1: there is one app block already, in line 1`},
		{"app \"shop\" { command = [\"x\"] }\n" + sock, `1:5: app takes no label`},
		{"app {}\n" + sock, `1:1: there is no application`},
		{"app {\n go = \"./x\"\n wsgi = \"m\"\n}\n" + sock, `3:9: the app has both go and wsgi`},
		{"app {\n go = \"cmd/x\"\n}\n" + sock, `2:7: go names a package by its path`},
		{"app {\n go = \"./x/main.go\"\n}\n" + sock, `2:7: go names a package, not a file`},
		{"app {\n wsgi = \"shop/app.py\"\n}\n" + sock, `2:9: shop/app.py is a file`},
		{"app {\n wsgi = \"index.php\"\n}\n" + sock, `2:9: PHP is run by php-cgi`},
		{"app {\n wsgi = \"a-b\"\n}\n" + sock, `2:9: "a-b" is not module:callable`},
		{"app {\n command = [\"php-cgi8.2\"]\n}\n" + sock, `2:12: php-cgi speaks FastCGI`},
		{"app {\n fastcgi = [\"php-fpm8.2\"]\n}\n" + sock, `2:12: php-fpm runs its own`},
		{"app {\n fastcgi = [\"php\"]\n}\n" + sock, `2:12: php reads a script`},
		{"app {\n exec = []\n}\n" + sock, `2:9: the command is empty`},
		{"app {\n command = \"x --flag\"\n}\n" + sock, `2:12: command must be a list of words: ["x", "--flag"]`},
		{"app {\n asgi = \"m:app\"\n}\n" + sock, `2:2: asgi is not a setting: asgi applications are not loaded by appd yet`},
		{"app {\n command = [\"x\"]\n threads = 2\n}\n" + sock, `3:12: threads is for wsgi applications`},
		{"app {\n command = [\"x\"]\n worker_class = \"sync\"\n}\n" + sock, `3:17: worker_class chooses how Python waits`},
		{"app {\n wsgi = \"m\"\n worker_class = \"tornado\"\n}\n" + sock, `3:17: worker_class "tornado" is not one of appd's`},
		{"app {\n wsgi = \"m\"\n worker_class = \"gvent\"\n}\n" + sock, `3:17: worker_class "gvent" is not one of appd's, which are sync, gthread and gevent`},
		{"app {\n wsgi = \"m\"\n build_flags = [\"-x\"]\n}\n" + sock, `3:16: build_flags is for go applications`},
		{"app {\n command = [\"x\"]\n ready_after = 1\n}\n" + sock, `3:16: ready_after is for fastcgi and exec programs`},
		{"app {\n command = [\"x\"]\n chdir = \"/no/such\"\n}\n" + sock, `3:10: chdir: /no/such: no such file or directory`},
		{"app {\n wsgi = \"m\"\n python = \"/tmp\"\n}\n" + sock, `3:11: python: /tmp is a folder`},
		{"app {\n command = [\"x\"]\n mount = \"shop/\"\n}\n" + sock, `3:10: mount begins with a slash`},
		{"app {\n command = [\"x\"]\n env = { \"A B\" = 1 }\n}\n" + sock, `3:8: env has a name that no environment takes`},
		{"app {\n command = [\"x\"]\n env_file = \"/no/such\"\n}\n" + sock, `3:13: env_file: /no/such: no such file`},
		{"app {\n command = [\"x\"]\n stop_signal = \"KILL\"\n}\n" + sock, `3:16: stop_signal must be TERM, `},
		{app, `there is no address to listen on`},
		{app + "listen {}", `2:1: listen needs a label`},
		{app + "listen \"a:1\" \"b:2\" {}", `2:14: listen takes one label`},
		{app + "listen \"unix:/" + long + "\" {}", `2:8: the path of the socket has 111 bytes; the kernel takes 107`},
		{app + "listen \"unix:/tmp\" {}", `2:8: /tmp is a folder`},
		{app + sock + sock, `3:8: unix:/run/x was written already, in line 2`},
		{app + "listen \"127.0.0.1:1\" { mode = \"0600\" }", `2:31: mode is for sockets in the file system`},
		{app + "listen \"unix:/run/x\" { group = \"no-such-group\" }", `2:32: group: there is no group "no-such-group"`},
		{app + "listen \"unix:/run/x\" { protocol = \"scgi\" }", `2:35: protocol must be auto, fastcgi, uwsgi or http, not "scgi"`},
		{app + "listen \"unix:/run/x\" {\n protocol = \"uwsgi\"\n fastcgi_stderr = true\n}", `4:19: fastcgi_stderr is for fastcgi; this listener speaks uwsgi`},
		{app + "listen \"unix:/run/x\" {\n front = \"haproxy\"\n fastcgi_stderr = true\n}", `4:19: fastcgi_stderr can end HAProxy`},
		{app + "listen \"unix:/run/x\" {\n protocol = \"fastcgi\"\n proxy_protocol = true\n}", `4:19: proxy_protocol is for http; this listener speaks fastcgi`},
		{app + "listen \"unix:/run/x\" {\n protocol = \"http\"\n uwsgi_chunked_input = true\n}", `4:24: uwsgi_chunked_input is for uwsgi; this listener speaks http`},
		{"app { fastcgi = [\"php-cgi\"] }\nlisten \"unix:/run/x\" { fastcgi_stderr = true }", `2:41: fastcgi_stderr has no effect on fastcgi programs`},
		{app + "listen \"unix:/run/x\" { allow_peers = [\"no-such-user\"] }", `2:38: allow_peers: there is no user`},
		{app + "listen \"127.0.0.1:1\" { allow_peers = [\"root\"] }", `2:38: allow_peers: "root" is neither an address nor a network`},
		{app + "listen \"unix:/run/x\" { forwarded_allow_ips = \"nginx\" }", `2:46: forwarded_allow_ips: "nginx" is no address`},
		{"app { fastcgi = [\"php-cgi\"] }\nlisten \"unix:/run/x\" { protocol = \"http\" }", `2:35: fastcgi programs speak only fastcgi, not http`},
		{"app { fastcgi = [\"php-cgi\"] }\n" + sock + "listen \"unix:/run/y\" {}", `3:8: fastcgi programs have one socket`},
		{app + "listen = \"unix:/run/x\"", `2:1: listen is not a setting: listen is a block`},
		{"app = { command = [\"x\"] }\n" + sock, `1:1: app is a block`},
		{app + sock + "listn \"x\" {}", `3:1: listn is not a block`},
		{app + sock + "workers {}", `3:1: workers is a setting, not a block`},
		{"app {\n command = [\"x\"]\n listen \"x\" {}\n}\n" + sock, `3:2: listen does not stand inside app`},
		{app + sock + "static \"/x\" {}", `3:1: static belongs into the nginx block`},
		{app + sock + "threads = 2", `3:1: threads belongs into the app block`},
		{"app {\n command = [\"x\"]\n workers = 2\n}\n" + sock, `3:2: workers belongs outside any block`},
		{app + sock + "workers = \"two\"", `3:11: workers must be a whole number`},
		{app + sock + "workers = 1.5", `3:11: workers must be a whole number`},
		{app + sock + "workers = [1]", `3:11: workers must be a number, not a list`},
		{app + sock + "workers = 1/0", `3:11: workers must be a whole number`},
		{app + sock + "workers = cpu()", `3:11: call to unknown function`},
		{app + sock + "user = env(\"NO_SUCH_VARIABLE\")", `3:8: error in function call`},
		{app + sock + "user = nobody", `3:8: nobody is not quoted`},
		{app + sock + "workers = 5000", `3:11: workers must be at most 4096`},
		{app + sock + "workers_min = 2", `3:15: workers_min needs workers_max`},
		{app + sock + "workers_min = 4\nworkers_max = 2", `3:15: workers_min (4) is more than workers_max (2)`},
		{app + sock + "max_memory = \"2GiB\"\nmax_memory_hard = \"1GiB\"", `3:14: max_memory is more than max_memory_hard`},
		{app + sock + "timeout = -1", `3:11: timeout must not be negative`},
		{app + sock + "reload = \"yes\"", `3:10: reload must be true or false, not a string`},
		{app + sock + "umask = 22", `3:9: umask must be a string: "0022"`},
		{app + sock + "user = \"no-such-user\"", `3:8: user: there is no user "no-such-user"`},
		{app + sock + "limit_request_line = 9000", `3:22: limit_request_line must be at most 8190`},
		{app + sock + "access_log_format = \"%(h\"", `3:21: access_log_format: byte 1 of the format: after % stands (NAME)s`},
		{app + sock + "access_log_format = \"%(zz)s\"", `3:21: access_log_format: byte 1 of the format: there is no %(zz)s`},
		{app + sock + "workers = nope", `3:11: workers must be a number, not nope`},
		{app + sock + "reload = yes", `3:10: reload must be true or false, not yes`},
		{app + sock + "max_memory = \"1e999999999\"", `3:14: max_memory must be a number of bytes or a size`},
		{app + sock + "umask = \"-1\"", `3:9: umask must be octal`},
		{app + "listen \"unix:/run/x\" { mode = \"-1\" }", `2:31: mode must be octal`},
		{app + "listen \"unix:/run/x\" { mode = \"2660\" }", `2:31: mode must be octal`},
		{app + sock + "user = \"4294967296\"", `3:8: user: there is no user "4294967296"`},
		{app + sock + "group = \"4294967295\"", `3:9: group: there is no group "4294967295"`},
		{app + sock + "hook \"when_redy\" {}", `3:6: there is no hook "when_redy"`},
		{app + sock + "hook \"when_ready\" {}", `3:6: hook "when_ready" does nothing`},
		{app + sock + "hook \"post_fork\" { python = \"m:f\" }", `3:6: post_fork runs inside a worker`},
		{"app { wsgi = \"m\" }\n" + sock + "hook \"on_exit\" { python = \"m:f\" }", `3:27: on_exit runs in the supervisor, which has no Python`},
		{"app { wsgi = \"m\" }\n" + sock + "hook \"post_fork\" { python = \"f\" }", `3:29: "f" is not module:callable`},
		{"app { wsgi = \"m\" }\n" + sock + "hook \"post_fork\" { command = [\"f\"] }", `3:30: post_fork runs inside a worker`},
		{app + sock + "nginx {\n static \"x\" { root = \"/\" }\n}", `4:9: a static prefix begins with a slash`},
		{app + sock + "nginx {\n static \"/x\" {}\n}", `4:9: static needs a root or an alias`},
		{app + "listen \"unix:/run/x\" { protocol = \"http\" }\nnginx { protocol = \"uwsgi\" }", `3:20: nginx would speak uwsgi, but no listener does`},
		{app + sock + "nginx { upstream = \"unix:/run/y\" }", `3:20: upstream names no listener`},
		{app + sock + "admin \"nonsense:port\" {}", `3:7: "port" is not a port`},
	} {
		_, err := try{hcl: tt.hcl}.load(t)
		faults, _ := err.(Faults)
		if len(faults) == 0 {
			t.Errorf("nothing is said about\n%s\nwant %s", tt.hcl, tt.want)
			continue
		}
		got := regexp.MustCompile(`(?m)^\S*/appd\.hcl:`).ReplaceAllString(err.Error(), "")
		if !strings.HasPrefix(got, tt.want) || len(faults) > 1 {
			t.Errorf("%s\nwant only %s, got\n%s", tt.hcl, tt.want, got)
		}
	}
}

// TestForeign: names that people bring along get an answer of their own. The file
// lists all settings of gunicorn 26, each with its flags: appd has it, or answers.
func TestForeign(t *testing.T) {
	for _, name := range []string{
		"bind", "logfile", "certfile", "keyfile", "ca_certs", "ssl_version", "ciphers", "reuse_port", "statsd_host", "dogstatsd_tags", "logconfig",
		"logconfig_dict", "logger_class", "paste", "raw_paste_global_conf", "dirty_workers", "http2_max_concurrent_streams", "syslog_addr", "preload",
		"raw_env", "wsgi_app", "secure_scheme_headers", "strip_header_spaces", "tolerate_dangerous_framing", "casefold_http_method", "control_socket",
		"no_control_socket", "harakiri", "processes", "socket", "http-socket", "chmod-socket", "module", "wsgi-file", "master", "vacuum", "die-on-term",
		"buffer-size", "virtualenv", "uid", "daemonize", "logto", "cheaper", "reload-on-rss", "lazy-apps", "touch-reload", "stats", "static-map",
		"emperor", "plugins", "enable-threads", "pm.max_children",
	} {
		why, way, ok := Foreign(name)
		if !ok || why == "" || way == "" {
			t.Errorf("%s has no answer", name)
		}
	}
	text, err := os.ReadFile("testdata/gunicorn-settings.txt")
	if err != nil {
		t.Fatal(err)
	}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(set)
	for line := range strings.Lines(string(text)) {
		for name := range strings.FieldsSeq(line) {
			_, _, answered := Foreign(name)
			if flag, ok := strings.CutPrefix(name, "--"); ok {
				known, _ := ResolveFlag(set, flag)
				if _, _, answered := Foreign(flag); !answered && set.Lookup(known) == nil && flag != "config" {
					t.Errorf("nothing is known about the flag %s", name)
				}
			} else if !answered && !slices.ContainsFunc(Settings, func(s *Setting) bool { return s.Name == name }) {
				t.Errorf("nothing is known about the setting %s", name)
			}
		}
	}
	_, err = try{hcl: minimal + "reuse_port = true"}.load(t)
	if err == nil || !strings.Contains(err.Error(), "supervisor holds the sockets") {
		t.Errorf("reuse_port: %v", err)
	}
}

// TestOrder: faults come in the order of file, environment, command line.
func TestOrder(t *testing.T) {
	_, err := try{hcl: minimal + "timeout = \"x\"\nwokers = 1", env: []string{"APPD_KEEPALIVE=y"}, args: []string{"-wz"}}.load(t)
	var got []string
	for _, f := range err.(Faults) {
		got = append(got, fmt.Sprintf("%d", f.Origin.Layer))
	}
	if strings.Join(got, "") != "2234" {
		t.Errorf("layers %v:\n%v", got, err)
	}
}

// TestUnlistedUser: a number without an entry in the user database keeps root's group,
// which nobody expects.
func TestUnlistedUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may choose a user")
	}
	const base = "app { command = [\"x\"] }\nlisten \"unix:/run/x\" {}\nuser = \"3999999999\"\n"
	for hcl, warned := range map[string]bool{base: true, base + "group = \"3999999999\"\n": false} {
		c, err := try{hcl: hcl}.load(t)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(c.Warnings.Error(), "workers keep group 0"); got != warned {
			t.Errorf("%s\nwarnings: %v", hcl, c.Warnings)
		}
	}
}
