// uwsgi.ini: options by name, some of which appd has under another name.

package migrate

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/appd-server/appd/internal/config"
)

type option struct{ name, value string }

// UWSGI reads the [uwsgi] section of an .ini file. app is the application, when
// the file does not name it; may be "".
func UWSGI(path, app string) (*Draft, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	options, err := parseINI(path, src)
	if err != nil {
		return nil, err
	}
	u := uwsgi{Draft: &Draft{From: path, env: map[string]string{}}, module: app}
	for _, o := range options {
		u.carry(o)
	}
	u.finish()
	return u.Draft, nil
}

// parseINI lists the options of the [uwsgi] section in order.
func parseINI(path string, src []byte) (options []option, err error) {
	in, seen := false, false
	lines := bufio.NewScanner(bytes.NewReader(src))
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
			continue
		case text[0] == '[':
			in = text == "[uwsgi]"
			seen = seen || in
			continue
		case !in:
			continue
		}
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: not NAME = VALUE: %s", path, n, text)
		}
		name = strings.ReplaceAll(strings.TrimSpace(name), "_", "-")
		options = append(options, option{name, expand(strings.TrimSpace(value), path)})
	}
	if !seen {
		return nil, fmt.Errorf("%s has no [uwsgi] section", path)
	}
	return options, lines.Err()
}

// expand replaces the magic variables that name the file, and $(NAME) of the
// environment.
func expand(value, path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		full = path
	}
	base := filepath.Base(full)
	value = strings.NewReplacer(
		"%d", filepath.Dir(full)+"/", "%p", full, "%s", base, "%n", strings.TrimSuffix(base, filepath.Ext(base)), "%%", "%",
	).Replace(value)
	return os.Expand(value, func(name string) string {
		if inner, ok := strings.CutPrefix(name, "("); ok {
			return os.Getenv(strings.TrimSuffix(inner, ")"))
		}
		return "$" + name
	})
}

// uwsgi is one import under way.
type uwsgi struct {
	*Draft
	module, callable string
	mode, owner      string
	cheaper          string
	lazy             bool
}

// renamed are options that have another name here and the same value.
var renamed = map[string]struct{ name, form string }{
	"processes": {"workers", "n"}, "workers": {"workers", "n"}, "p": {"workers", "n"},
	"threads": {"threads", "n"}, "harakiri": {"timeout", "s"}, "max-requests": {"max_requests", "n"},
	"max-requests-delta": {"max_requests_jitter", "n"}, "max-worker-lifetime": {"max_age", "s"}, "max-worker-lifetime-delta": {"max_age_jitter", "s"},
	"reload-on-rss": {"max_memory", "M"}, "evil-reload-on-rss": {"max_memory_hard", "M"}, "reload-on-as": {"max_memory", "M"},
	"evil-reload-on-as": {"max_memory_hard", "M"}, "limit-post": {"limit_request_body", "n"},
	"worker-reload-mercy": {"graceful_timeout", "s"}, "reload-mercy": {"graceful_timeout", "s"},
	"chdir": {"chdir", "t"}, "uid": {"user", "t"}, "gid": {"group", "t"}, "umask": {"umask", "t"}, "pidfile": {"pidfile", "t"},
	"safe-pidfile": {"pidfile", "t"}, "procname": {"proc_name", "t"}, "procname-prefix": {"proc_name", "t"}, "procname-master": {"proc_name", "t"},
	"logto": {"errorlog", "t"}, "logto2": {"errorlog", "t"}, "log-x-forwarded-for": {"", ""}, "socket-timeout": {"read_timeout", "s"},
	"http-timeout": {"read_timeout", "s"}, "initgroups": {"initgroups", "b"}, "py-autoreload": {"reload", "b"},
}

// unneeded are options that appd does by itself or that mean nothing to it.
var unneeded = []string{
	"master", "vacuum", "die-on-term", "enable-threads", "single-interpreter", "need-app", "strict", "thunder-lock", "auto-procname",
	"buffer-size", "post-buffering", "no-orphans", "memory-report", "plugin", "plugins", "no-default-app", "lazy", "ignore-sigpipe",
	"ignore-write-errors", "disable-write-exception", "reuse-port", "so-keepalive", "log-x-forwarded-for", "log-master", "harakiri-verbose", "wsgi-disable-file-wrapper",
	"add-header", "cheaper-algo", "cheaper-step", "cheaper-initial", "cheaper-overload", "manage-script-name", "close-on-exec", "procname-append", "py-call-osafterfork",
}

// carry takes one option over.
func (u *uwsgi) carry(o option) {
	shown := o.name + " = " + o.value
	if r, ok := renamed[o.name]; ok && r.name != "" {
		u.rename(r.name, r.form, o.value, shown)
		return
	}
	switch o.name {
	case "socket", "s", "uwsgi-socket":
		u.address(o.value, "uwsgi", shown)
	case "http-socket", "http", "http11-socket":
		u.address(o.value, "http", shown)
	case "fastcgi-socket":
		u.address(o.value, "fastcgi", shown)
	case "chmod-socket", "C":
		u.mode = o.value
		if u.mode == "" || u.mode == "true" {
			u.mode = "666"
		}
	case "chown-socket":
		u.owner = o.value
	case "listen", "l":
		u.backlog, _ = strconv.Atoi(o.value)
	case "module", "wsgi", "w":
		u.module = o.value
	case "wsgi-file", "file":
		u.module = strings.ReplaceAll(strings.TrimSuffix(strings.Trim(o.value, "./"), ".py"), "/", ".")
	case "callable":
		u.callable = o.value
	case "pythonpath", "python-path", "pp":
		u.addPath(o.value)
	case "virtualenv", "venv", "home", "H":
		u.set("python", quote(filepath.Join(o.value, "bin", "python")))
	case "env":
		if k, v, ok := strings.Cut(o.value, "="); ok {
			u.env[k] = v
		}
	case "daemonize", "daemonize2":
		u.set("daemon", "true")
		u.set("errorlog", quote(o.value))
	case "cheaper":
		u.cheaper = o.value
	case "lazy-apps":
		u.lazy = o.value != "false"
	case "disable-logging", "disable-logs", "L":
		u.drop(shown, "the access log is off unless accesslog names a file")
	case "static-map", "static-map2":
		u.staticMap(o.value, shown)
	case "gevent", "gevent-wait-for-hub", "gevent-monkey-patch":
		u.gevent(o)
	default:
		u.rest(o, shown)
	}
}

func (u *uwsgi) rest(o option, shown string) {
	if slices.Contains(unneeded, o.name) {
		u.drop(shown, "appd needs no such setting")
		return
	}
	u.loseForeign(shown, o.name)
}

// rename writes an option under appd's name. The form says how the value is spelled.
func (u *uwsgi) rename(name, form, value, shown string) {
	_, err := strconv.Atoi(value)
	switch {
	case form == "t" && name == "umask":
		u.set(name, quote(value))
	case form == "t":
		u.set(name, quote(value))
	case form == "b":
		u.set(name, strconv.FormatBool(value != "0" && value != "false"))
	case err != nil:
		u.lose(shown, "the value is not a number")
	case form == "s":
		u.set(name, quote(value+"s"))
	case form == "M":
		u.set(name, quote(value+"MiB"))
	default:
		u.set(name, value)
	}
}

// address takes a socket over; uWSGI writes paths without unix: and may leave the
// host out.
func (u *uwsgi) address(value, protocol, shown string) {
	address := value
	switch {
	case strings.HasPrefix(value, "@"):
		address = "unix:" + value
	case strings.Contains(value, "/") || !strings.Contains(value, ":"):
		address = "unix:" + value
	case strings.HasPrefix(value, ":"):
		address = "0.0.0.0" + value
	}
	if _, err := config.ParseAddress(address, "/"); err != nil {
		u.lose(shown, err.Error())
		return
	}
	u.addListen(address, protocol)
}

func (u *uwsgi) addPath(path string) {
	for i := range u.app {
		if u.app[i].name == "pythonpath" {
			u.app[i].value = strings.TrimSuffix(u.app[i].value, "]") + ", " + quote(path) + "]"
			return
		}
	}
	u.set("pythonpath", quoteList([]string{path}))
}

// staticMap takes /prefix=/folder over into the nginx block.
func (u *uwsgi) staticMap(value, shown string) {
	prefix, folder, ok := strings.Cut(value, "=")
	if !ok || !strings.HasPrefix(prefix, "/") {
		u.lose(shown, "it is not /PREFIX=FOLDER")
		return
	}
	u.static = append(u.static, line{strings.TrimSuffix(prefix, "/") + "/", strings.TrimSuffix(folder, "/") + "/"})
}

func (u *uwsgi) gevent(o option) {
	u.set("worker_class", quote("gevent"))
	if n, err := strconv.Atoi(o.value); err == nil && o.name == "gevent" && n > 1 {
		u.set("worker_connections", o.value)
	}
}

// finish settles what several options say together.
func (u *uwsgi) finish() {
	if u.module != "" {
		if u.callable != "" && !strings.Contains(u.module, ":") {
			u.module += ":" + u.callable
		}
		u.set("wsgi", quote(u.module))
	}
	for _, l := range u.listen {
		if _, ok := config.IsUnix(l.address); !ok {
			continue
		}
		if u.mode != "" {
			l.lines = append(l.lines, line{"mode", quote("0" + strings.TrimPrefix(u.mode, "0"))})
		}
		owner, group, _ := strings.Cut(u.owner, ":")
		if owner != "" {
			l.lines = append(l.lines, line{"owner", quote(owner)})
		}
		if group != "" {
			l.lines = append(l.lines, line{"group", quote(group)})
		}
	}
	if len(u.listen) == 0 {
		u.addListen("127.0.0.1:8000", "")
	}
	u.scaling()
	if !u.lazy && u.has("wsgi") {
		u.drop("(no lazy-apps)", "uWSGI imports the application once and forks; preload_app = true in the app block does the same, without it each worker imports by itself")
	}
}

// scaling: cheaper is the least, processes the most.
func (u *uwsgi) scaling() {
	if u.cheaper == "" {
		return
	}
	for i := range u.top {
		if u.top[i].name == "workers" {
			most := u.top[i].value
			u.top[i].value = u.cheaper
			u.set("workers_min", u.cheaper)
			u.set("workers_max", most)
			return
		}
	}
	u.lose("cheaper = "+u.cheaper, "without processes nothing says how many workers there may be; write workers_min and workers_max")
}
