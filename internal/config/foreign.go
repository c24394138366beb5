// Names that people bring along from gunicorn, uWSGI and php-fpm and that are not
// settings here: each gets its own answer.

package config

import (
	"fmt"
	"strings"
)

// answer says why a name is not a setting, and what to do instead.
type answer struct{ why, way string }

const (
	tlsWhy    = "nginx ends TLS, appd does not"
	tlsWay    = "Put the certificate into nginx: `appd nginx` writes the site, add ssl_certificate to it."
	statsdWay = "Add an admin block: admin \"127.0.0.1:9090\" {}. It serves /metrics for Prometheus, which has a statsd bridge."
	syslogWay = "Write errorlog = \"-\" and let systemd or `logger` take the output."
	http2Way  = "nginx speaks HTTP/2 with browsers; from there FastCGI, uwsgi or HTTP/1.1 is the shorter way."
	dirtyWay  = "Run long jobs in a queue of their own, or as a second appd with a long timeout."
	logWay    = "Use log_format = \"text\" or \"json\" and loglevel; a Python application may still configure its own loggers."
	strictWay = "Requests are always read strictly; there is nothing to switch."
)

// foreign answers for names exactly as written, with dashes turned to underscores.
var foreign = map[string]answer{
	"bind":                  {"addresses are blocks", "Write listen \"unix:/run/app.sock\" {} or listen \"127.0.0.1:8000\" {}."},
	"logfile":               {"the file is named by errorlog", "Write errorlog = \"...\"."},
	"log_file":              {"the file is named by errorlog", "Write errorlog = \"...\"."},
	"error_log":             {"it is called errorlog", "Write errorlog = \"...\"."},
	"access_log":            {"it is called accesslog", "Write accesslog = \"...\"."},
	"log_level":             {"it is called loglevel", "Write loglevel = \"...\"."},
	"keep_alive":            {"it is called keepalive", "Write keepalive = \"...\"."},
	"preload":               {"it is called preload_app", "Write preload_app = true in the app block."},
	"raw_env":               {"the environment is a map in the app block", "Write app { env = { NAME = \"value\" } }."},
	"wsgi_app":              {"it is called wsgi and stands in the app block", "Write app { wsgi = \"module:callable\" }."},
	"worker_processes":      {"it is called workers", "Write workers = N."},
	"access_logfile":        {"it is called accesslog", "Write accesslog = \"...\"."},
	"error_logfile":         {"it is called errorlog", "Write errorlog = \"...\"."},
	"access_logformat":      {"it is called access_log_format", "Write access_log_format = \"...\"."},
	"reload_extra_file":     {"it is called reload_extra_files", "Write reload_extra_files = [\"...\"]."},
	"pid":                   {"it is called pidfile", "Write pidfile = \"...\"."},
	"reuse_port":            {"the supervisor holds the sockets, so that nothing queued is lost when a worker leaves; there is no herd to avoid", "Remove it."},
	"logconfig":             {"appd's log is set by log_format and loglevel", logWay},
	"logconfig_dict":        {"appd's log is set by log_format and loglevel", logWay},
	"logconfig_json":        {"appd's log is set by log_format and loglevel", logWay},
	"log_config":            {"appd's log is set by log_format and loglevel", logWay},
	"log_config_json":       {"appd's log is set by log_format and loglevel", logWay},
	"logger_class":          {"appd's log is set by log_format and loglevel", logWay},
	"tmp_upload_dir":        {"it is called worker_tmp_dir", "Write worker_tmp_dir = \"...\"."},
	"secure_scheme_headers": {"X-Forwarded-Proto, -Host and -For are the headers that are believed", "Set forwarded_allow_ips and forwarded_hops in the listen block."},
	"forwarder_headers":     {"X-Forwarded-Proto, -Host and -For are the headers that are believed", "Set forwarded_allow_ips and forwarded_hops in the listen block."},
	"header_map":            {"headers whose names would collide as variables are dropped and logged", "Remove it."},
	"proxy_allow_ips":       {"who may connect is allow_peers of the listen block", "Write allow_peers = [\"10.0.0.0/8\"] beside proxy_protocol = true."},
	"proxy_allow_from":      {"who may connect is allow_peers of the listen block", "Write allow_peers = [\"10.0.0.0/8\"] beside proxy_protocol = true."},
	"default_proc_name":     {"it is called proc_name", "Write proc_name = \"...\"."},
	"uwsgi_allow_ips":       {"who may connect is allow_peers of the listen block", "Write allow_peers = [\"10.0.0.0/8\"] in it."},
	"uwsgi_allow_from":      {"who may connect is allow_peers of the listen block", "Write allow_peers = [\"10.0.0.0/8\"] in it."},
	"root_path":             {"the prefix below which the front mounts the application is called mount", "Write app { mount = \"/shop\" }."},
	"http_parser":           {"appd has one parser of its own", "Remove it."},
	"enable_backlog_metric": {"the queue of each socket is always measured", "Remove it; `appd status` and /metrics show it."},
	"on_dirty_starting":     {"there are no dirty workers", dirtyWay},
	"config":                {"a file does not name another", "Start with -c FILE."},
	"control_socket":        {"it always is `control` in run_dir, mode 0600", "Write run_dir = \"...\" to move it."},
	"no_control_socket":     {"appd goes on without its control socket when it cannot be made", "Remove it."},
	"heartbeat":             {"it is called timeout, and is a limit for each request", "Write timeout = \"30s\"."},
	"asgi":                  {"asgi applications are not loaded by appd yet", "Run a server for them: exec = [\"uvicorn\", \"--fd\", \"3\", \"shop.asgi:app\"]."},

	"processes":           {"it is called workers", "Write workers = N."},
	"socket":              {"addresses are blocks", "Write listen \"unix:/run/app.sock\" { protocol = \"uwsgi\" }."},
	"uwsgi_socket":        {"addresses are blocks", "Write listen \"unix:/run/app.sock\" { protocol = \"uwsgi\" }."},
	"fastcgi_socket":      {"addresses are blocks", "Write listen \"unix:/run/app.sock\" { protocol = \"fastcgi\" }."},
	"http":                {"addresses are blocks", "Write listen \"127.0.0.1:8000\" { protocol = \"http\" }."},
	"http_socket":         {"addresses are blocks", "Write listen \"127.0.0.1:8000\" { protocol = \"http\" }."},
	"chmod_socket":        {"permissions belong to the listener", "Write mode = \"0660\" in the listen block."},
	"chown_socket":        {"owner and group belong to the listener", "Write owner and group in the listen block."},
	"module":              {"it is called wsgi and stands in the app block", "Write app { wsgi = \"module:callable\" }."},
	"wsgi_file":           {"it is called wsgi and names a module", "Write app { wsgi = \"module:callable\" }, and chdir for its folder."},
	"callable":            {"it is the part of wsgi behind the colon", "Write app { wsgi = \"module:callable\" }."},
	"master":              {"there always is a supervisor", "Remove it."},
	"enable_threads":      {"Python's threads are always enabled", "Remove it."},
	"single_interpreter":  {"each worker is one interpreter", "Remove it."},
	"need_app":            {"an application that cannot be loaded always fails the start", "Remove it."},
	"vacuum":              {"socket files are always removed at the end", "Remove it."},
	"die_on_term":         {"TERM always is a graceful stop", "Remove it."},
	"harakiri":            {"it is called timeout", "Write timeout = \"30s\"."},
	"http_timeout":        {"it is called read_timeout and write_timeout", "Write read_timeout = \"60s\"."},
	"socket_timeout":      {"it is called read_timeout and write_timeout", "Write read_timeout = \"60s\"."},
	"buffer_size":         {"it is called limit_request_params, and everything the protocol allows passes without it", "Remove it."},
	"post_buffering":      {"bodies are always buffered for Python, see body_spool", "Remove it."},
	"limit_post":          {"it is called limit_request_body", "Write limit_request_body = \"10MiB\"."},
	"virtualenv":          {"it is called python and names the interpreter", "Write app { python = \"/srv/venv/bin/python\" }."},
	"venv":                {"it is called python and names the interpreter", "Write app { python = \"/srv/venv/bin/python\" }."},
	"home":                {"it is called python and names the interpreter", "Write app { python = \"/srv/venv/bin/python\" }."},
	"python_path":         {"it is called pythonpath", "Write app { pythonpath = [\"...\"] }."},
	"uid":                 {"it is called user", "Write user = \"...\"."},
	"gid":                 {"it is called group", "Write group = \"...\"."},
	"daemonize":           {"it is called daemon", "Write daemon = true and errorlog = \"...\"."},
	"logto":               {"it is called errorlog", "Write errorlog = \"...\"."},
	"logger":              {"it is called errorlog", "Write errorlog = \"...\"."},
	"req_logger":          {"it is called accesslog", "Write accesslog = \"...\"."},
	"log_format_uwsgi":    {"it is called access_log_format", "Write access_log_format = \"...\"."},
	"disable_logging":     {"the access log is off unless accesslog names a file", "Remove it."},
	"procname":            {"it is called proc_name", "Write proc_name = \"...\"."},
	"procname_prefix":     {"it is called proc_name", "Write proc_name = \"...\"."},
	"auto_procname":       {"processes always have readable titles", "Remove it."},
	"cheaper":             {"it is called workers_min", "Write workers_min and workers_max."},
	"reload_on_rss":       {"it is called max_memory", "Write max_memory = \"512MiB\"."},
	"reload_on_as":        {"it is called max_memory", "Write max_memory = \"512MiB\"."},
	"evil_reload_on_rss":  {"it is called max_memory_hard", "Write max_memory_hard = \"1GiB\"."},
	"evil_reload_on_as":   {"it is called max_memory_hard", "Write max_memory_hard = \"1GiB\"."},
	"max_worker_lifetime": {"it is called max_age", "Write max_age = \"1h\"."},
	"worker_reload_mercy": {"it is called graceful_timeout", "Write graceful_timeout = \"30s\"."},
	"reload_mercy":        {"it is called graceful_timeout", "Write graceful_timeout = \"30s\"."},
	"lazy_apps":           {"each worker loads the application by itself unless preload_app is set", "Remove it."},
	"lazy":                {"each worker loads the application by itself unless preload_app is set", "Remove it."},
	"py_autoreload":       {"it is called reload", "Write reload = true, or run `appd dev`."},
	"touch_reload":        {"a reload is asked for by `appd reload` or HUP", "Remove it; in development reload = true watches files."},
	"safe_pidfile":        {"it is called pidfile, and is written when the first worker is ready", "Write pidfile = \"...\"."},
	"stats":               {"state is shown by `appd status` and by an admin block", "Write admin \"127.0.0.1:9090\" {}."},
	"static_map":          {"nginx serves files", "Write a block static \"/static/\" { alias = \"...\" } into the nginx block."},
	"plugin":              {"there are no plugins", "Remove it."},
	"plugins":             {"there are no plugins", "Remove it."},
	"emperor":             {"one appd runs one application", "Use a systemd template unit, one instance an application."},
	"cron":                {"appd runs no jobs", "Use a systemd timer."},
	"spooler":             {"appd runs no jobs", "Run the queue's own worker as a service."},
	"mule":                {"appd runs no jobs", "Run the queue's own worker as a service."},
	"attach_daemon":       {"appd runs no other programs", "Run them as services of their own."},
	"gevent":              {"it is a worker class", "Write app { worker_class = \"gevent\" } and worker_connections = N."},
	"listen":              {"listen is a block, and the length of the queue is called backlog", "Write listen \"unix:/run/app.sock\" { backlog = 2048 }."},

	"pm":                        {"php-fpm's process manager is workers here", "Write workers = N, or workers_min and workers_max."},
	"pm.max_children":           {"it is called workers", "Write workers = N."},
	"request_terminate_timeout": {"it is called timeout", "Write timeout = \"30s\"."},
}

// foreignFamilies answers for whole families of names, by their beginning.
var foreignFamilies = []struct {
	prefixes []string
	answer
}{
	{[]string{"certfile", "keyfile", "ca_certs", "cert_reqs", "ciphers", "ssl_", "do_handshake_on_connect", "suppress_ragged_eofs", "https"}, answer{tlsWhy, tlsWay}},
	{[]string{"statsd", "dogstatsd"}, answer{"metrics are served to Prometheus", statsdWay}},
	{[]string{"syslog", "log_syslog", "disable_redirect_access_to_syslog"}, answer{"appd does not speak syslog", syslogWay}},
	{[]string{"http2", "http_2"}, answer{"appd does not speak HTTP/2", http2Way}},
	{[]string{"http_protocols"}, answer{"the protocol belongs to the listener", "Write protocol = \"http\" in the listen block."}},
	{[]string{"dirty_"}, answer{"there are no dirty workers", dirtyWay}},
	{[]string{"paste", "raw_paste", "ini_paste"}, answer{"Paste files are not read", "Write a module that calls paste.deploy.loadapp, and name it: wsgi = \"module:application\"."}},
	{[]string{"permit_", "strip_header_spaces", "casefold_http_method", "tolerate_dangerous_framing", "permit_obsolete_folding"}, answer{"it would make requests ambiguous", strictWay}},
	{[]string{"control_socket"}, answer{"it always is `control` in run_dir, mode 0600", "Write run_dir = \"...\" to move it."}},
	{[]string{"asgi_", "uvicorn"}, answer{"asgi applications are not loaded by appd yet", "Run a server for them: exec = [\"uvicorn\", \"--fd\", \"3\", \"shop.asgi:app\"]."}},
	{[]string{"cheaper_"}, answer{"the number of workers follows the time that requests wait", "Write workers_min and workers_max."}},
}

// Foreign answers for a name of another server, with dashes or underscores.
func Foreign(name string) (why, way string, ok bool) {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if a, ok := foreign[name]; ok {
		return a.why, a.way, true
	}
	for _, h := range hookPoints {
		if h.name == name && h.inside {
			return "hooks are blocks", fmt.Sprintf("Write hook %q { python = \"module:function\" }.", name), true
		} else if h.name == name {
			return "hooks are blocks", fmt.Sprintf("Write hook %q { command = [\"program\", \"argument\"] }.", name), true
		}
	}
	for _, f := range foreignFamilies {
		for _, p := range f.prefixes {
			if strings.HasPrefix(name, p) {
				return f.why, f.way, true
			}
		}
	}
	return "", "", false
}
