// uwsgi.ini: options by name, some of which appd has under another name.

package migrate

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/appd-server/appd/internal/config"
)

// UWSGI reads the [uwsgi] section of an .ini file. app is the application, when
// the file does not name it; may be "".
func UWSGI(path, app string) (*Draft, error) {
	file, err := readINI(path)
	if err != nil {
		return nil, err
	}
	u := uwsgi{Draft: &Draft{From: path, env: map[string]string{}}, module: app, variables: file.used}
	for _, o := range file.options {
		if !u.conditional(o) {
			u.carry(o)
		}
	}
	u.finish()
	return u.Draft, nil
}

// conditional notes options that stand in a condition or a loop, which nobody here
// evaluates.
func (u *uwsgi) conditional(o option) bool {
	shown := o.name + " = " + o.value
	switch {
	case strings.HasPrefix(o.name, "if-") || o.name == "for" || o.name == "for-glob" || o.name == "for-times":
		u.depth++
	case o.name == "endif" || o.name == "end-if" || o.name == "endfor" || o.name == "end-for":
		u.depth = max(u.depth-1, 0)
		return true
	case u.depth == 0:
		return false
	}
	u.lose(shown, "conditions and loops are not evaluated: write what holds on this machine")
	return true
}

// uwsgi is one import under way.
type uwsgi struct {
	*Draft
	module, callable string
	file             string // of wsgi-file, whose module depends on chdir
	mode, owner      string
	cheaper          string
	lazy             bool
	mounted          bool
	variables        []string // options that only placeholders use
	depth            int      // of conditions
}

// carry takes one option over.
func (u *uwsgi) carry(o option) {
	shown := o.name + " = " + o.value
	if r, ok := renamed[o.name]; ok {
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
		u.file = o.value
	case "callable":
		u.callable = o.value
	case "pythonpath", "python-path", "pp":
		u.addPath(o.value)
	case "mount":
		u.mount(o.value, shown)
	case "virtualenv", "venv", "home", "pyhome", "H":
		u.set("python", config.Quote(filepath.Join(o.value, "bin", "python")))
	case "env":
		if k, v, ok := strings.Cut(o.value, "="); ok {
			u.env[k] = v
		}
	case "daemonize", "daemonize2":
		u.set("daemon", "true")
		u.set("errorlog", config.Quote(o.value))
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
	switch {
	case slices.Contains(u.variables, o.name):
		// its value is in what refers to it
	case slices.Contains(unneeded, o.name):
		u.drop(shown, "appd needs no such setting")
	case slices.Contains(loggedBy, o.name):
		u.lose(shown, "the access log has a line for every request: accesslog = \"...\"")
	case strings.HasPrefix(o.name, "touch-"):
		u.loseForeign(shown, "touch_reload")
	case strings.HasPrefix(o.name, "route") || o.name == "add-header":
		u.lose(shown, "routing and headers are nginx's: write them into its configuration")
	case o.name == "log-maxsize" || o.name == "log-backupname":
		u.lose(shown, "rotate with logrotate, then `appd reopen`")
	case o.name == "reload-on-as" || o.name == "evil-reload-on-as":
		u.lose(shown, "address space says little about memory: write max_memory or max_memory_hard, which count resident pages")
	default:
		u.loseForeign(shown, o.name)
	}
}

// mount takes /PREFIX=APPLICATION over, once: one appd runs one application.
func (u *uwsgi) mount(value, shown string) {
	prefix, app, ok := strings.Cut(value, "=")
	if !ok || u.mounted || !strings.HasPrefix(prefix, "/") {
		u.lose(shown, "one appd runs one application, below one path: mount = \"/shop\"")
		return
	}
	u.mounted = true
	if prefix != "/" {
		u.set("mount", config.Quote(strings.TrimSuffix(prefix, "/")))
	}
	if strings.HasSuffix(app, ".py") {
		u.file = app
	} else if app != "" {
		u.module = app
	}
}

// fileModule makes of a file the module that Python imports, seen from chdir, or
// else from its own folder.
func (u *uwsgi) fileModule(chdir string) {
	file := filepath.Clean(u.file)
	if rel, err := filepath.Rel(chdir, file); err == nil && chdir != "" && filepath.IsAbs(file) && !strings.HasPrefix(rel, "..") {
		file = rel
	}
	if filepath.IsAbs(file) || strings.HasPrefix(file, "..") {
		u.addPath(filepath.Dir(file))
		file = filepath.Base(file)
	}
	if ext := filepath.Ext(file); ext != ".py" {
		u.lose("wsgi-file = "+u.file, "Python imports only files that end in .py: rename it")
		file = strings.TrimSuffix(file, ext)
	}
	u.module = strings.ReplaceAll(strings.TrimSuffix(file, ".py"), "/", ".")
}

// rename writes an option under appd's name. The form says how the value is spelled.
func (u *uwsgi) rename(name, form, value, shown string) {
	isNumber := value != "" && value[0] >= '0' && value[0] <= '9'
	switch {
	case form == "t":
		u.set(name, config.Quote(value))
	case form == "b":
		u.set(name, strconv.FormatBool(value != "0" && value != "false"))
	case name == "workers" && value == "%k":
		u.set(name, "cpus()")
	case !isNumber:
		u.lose(shown, "the value is not a number")
	case form == "n":
		u.set(name, strconv.Itoa(number(value)))
	default:
		u.set(name, config.Quote(strconv.Itoa(number(value))+unitOf[form]))
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
			u.app[i].value = strings.TrimSuffix(u.app[i].value, "]") + ", " + config.Quote(path) + "]"
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
	u.set("worker_class", config.Quote("gevent"))
	if n, err := strconv.Atoi(o.value); err == nil && o.name == "gevent" && n > 1 {
		u.set("worker_connections", o.value)
	}
}

// finish settles what several options say together.
func (u *uwsgi) finish() {
	if u.file != "" {
		u.fileModule(u.value("chdir"))
	}
	if u.module != "" {
		if u.callable != "" && !strings.Contains(u.module, ":") {
			u.module += ":" + u.callable
		}
		u.set("wsgi", config.Quote(u.module))
	}
	for _, l := range u.listen {
		if _, ok := config.IsUnix(l.address); !ok {
			continue
		}
		if u.mode != "" {
			l.lines = append(l.lines, line{"mode", config.Quote("0" + strings.TrimPrefix(u.mode, "0"))})
		}
		owner, group, _ := strings.Cut(u.owner, ":")
		if owner != "" {
			l.lines = append(l.lines, line{"owner", config.Quote(owner)})
		}
		if group != "" {
			l.lines = append(l.lines, line{"group", config.Quote(group)})
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
