// Checks that need more than one setting, or the machine.

package config

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/appd-server/appd/internal/accesslog"
)

// validate looks at the whole. Values that could not even be decoded are left at
// their defaults and have been complained about already.
func (l *loader) validate() {
	l.validateKind()
	l.validatePython()
	l.validateClass()
	l.validateScope()
	l.validateWorkers()
	l.validateListeners()
	l.validateIdentity()
	l.validateHooks()
	l.validatePaths()
	l.validateNginx()
}

// wrote tells whether somebody wrote a field, be it wrongly.
func (l *loader) wrote(field any) bool {
	_, tried := l.tried[field]
	return tried || l.c.Written(field)
}

// at is where a field was written, or nowhere in particular.
func (l *loader) at(field any) Origin { return l.c.Where(field) }

// validateKind: exactly one of go, command, wsgi, fastcgi, exec.
func (l *loader) validateKind() {
	c := l.c
	var have []kindField
	for _, k := range c.kinds() {
		if l.wrote(k.ptr) {
			have = append(have, k)
		}
	}
	switch {
	case len(have) == 0 && !l.wrote("app") && (l.source.File == "" || l.appBlock.Layer == FromFile):
		l.fault(l.appBlock, "there is no application", "Write one of go, command, wsgi, fastcgi and exec into the app block, or name the application on the command line.")
	case len(have) > 1:
		l.fault(orOrigin(l.at(have[1].ptr), l.tried[have[1].ptr]), fmt.Sprintf("the app has both %s and %s", have[0].kind, have[1].kind), "Keep the one that names your application.")
	}
	for _, k := range have {
		if c.Written(k.ptr) {
			l.validateProgram(k)
		}
	}
}

func (l *loader) validateProgram(k kindField) {
	a := &l.c.App
	text, way := "", ""
	switch k.kind {
	case Go:
		if p := a.Go; p == "" || !strings.HasPrefix(p, ".") && !strings.HasPrefix(p, "/") {
			text, way = fmt.Sprintf("go names a package by its path, not %q", p), fmt.Sprintf("Write go = \"./%s\".", p)
		}
		if strings.HasSuffix(a.Go, ".go") {
			text, way = "go names a package, not a file", "Write the folder of the file."
		}
	case WSGI:
		text, way = wsgiFault(a.WSGI)
	case Command:
		text, way = programFault(a.Command)
	case FastCGI:
		text, way = programFault(a.FastCGI)
		if text == "" && strings.Contains(a.FastCGI[0], "php-fpm") {
			text, way = "php-fpm runs its own processes and sockets", "Write fastcgi = [\"php-cgi\"] and let appd run the processes."
		} else if base := baseName(text, a.FastCGI); base == "php" {
			text, way = "php reads a script, it does not speak FastCGI", "Write fastcgi = [\"php-cgi\"]."
		}
	case Exec:
		text, way = programFault(a.Exec)
	}
	if k.kind == Command && strings.HasPrefix(baseName(text, a.Command), "php-cgi") {
		text, way = "php-cgi speaks FastCGI on descriptor 0", "Write fastcgi instead of command."
	}
	if text != "" {
		l.fault(l.at(k.ptr), text, way)
	}
}

// baseName is the program's name without its folder, "" when there was a fault.
func baseName(fault string, words []string) string {
	if fault != "" || len(words) == 0 {
		return ""
	}
	return words[0][strings.LastIndexByte(words[0], '/')+1:]
}

func programFault(words []string) (text, way string) {
	if len(words) == 0 || words[0] == "" {
		return "the command is empty", "Write the program and its arguments: [\"/srv/shop/bin/shop\"]."
	}
	if len(words) == 1 && strings.HasSuffix(words[0], ".php") {
		return "PHP scripts are run by php-cgi, and nginx names the script", "Write fastcgi = [\"php-cgi\"]."
	}
	return "", ""
}

func wsgiFault(app string) (text, way string) {
	switch {
	case strings.HasSuffix(app, ".php"):
		return "PHP is run by php-cgi", "Write fastcgi = [\"php-cgi\"] instead of wsgi; nginx names the script."
	case strings.HasSuffix(app, ".py") || strings.Contains(app, "/"):
		return notAModule(app).Error(), "Set chdir or pythonpath to the folder that the module is imported from."
	case !wsgiApp.MatchString(app):
		return fmt.Sprintf("%q is not module:callable", app), "Write \"shop.wsgi:application\", or \"shop:create_app()\" for a factory."
	}
	return "", ""
}

// validatePython looks for the interpreter where it was named.
func (l *loader) validatePython() {
	a := &l.c.App
	if !l.c.Written(&a.Python) || !strings.Contains(a.Python, "/") {
		return
	}
	switch info, err := os.Stat(a.Python); {
	case err != nil:
		l.fault(l.at(&a.Python), "python: "+reason(err, a.Python), "Name the interpreter of the virtual environment: \"/srv/venv/bin/python\".")
	case info.IsDir():
		l.fault(l.at(&a.Python), "python: "+a.Python+" is a folder", fmt.Sprintf("Write %q.", a.Python+"/bin/python"))
	case info.Mode()&0o111 == 0:
		l.fault(l.at(&a.Python), "python: "+a.Python+" is not executable", "")
	}
}

// foreignClasses answers for worker classes that are not ours.
var foreignClasses = []struct{ part, way string }{
	{"eventlet", "Write worker_class = \"gevent\": it waits in the same way."},
	{"meinheld", "Write worker_class = \"gthread\" and threads = 4, or \"gevent\"."},
	{"tornado", "Tornado runs its own loop: write exec = [\"python3\", \"server.py\"] and listen on descriptor 3."},
	{"aiohttp", "aiohttp runs its own loop: write exec = [\"python3\", \"server.py\"] and listen on descriptor 3."},
	{"uvicorn", "asgi applications run as exec = [\"uvicorn\", \"--fd\", \"3\", \"shop.asgi:app\"]."},
	{"asgi", "asgi applications run as exec = [\"uvicorn\", \"--fd\", \"3\", \"shop.asgi:app\"]."},
}

// validateClass holds worker_class against the kind of application.
func (l *loader) validateClass() {
	a := &l.c.App
	if !l.c.Written(&a.WorkerClass) || a.Kind == "" {
		return
	}
	at, class := l.at(&a.WorkerClass), a.WorkerClass
	if a.Kind != WSGI {
		l.fault(at, fmt.Sprintf("worker_class chooses how Python waits; this is a %s application", a.Kind), "Remove it.")
		return
	}
	switch class {
	case "sync", "gthread", "gevent":
		if class == "gevent" && l.c.Worker.Threads > 1 {
			l.fault(l.at(&l.c.Worker.Threads), "threads do not go with worker_class gevent, which has one thread", "Remove threads, or write worker_class = \"gthread\".")
		}
		return
	}
	for _, f := range foreignClasses {
		if strings.Contains(strings.ToLower(class), strings.ToLower(f.part)) || f.part == "aiohttp" && class == "gaiohttp" {
			l.fault(at, fmt.Sprintf("worker_class %q is not one of appd's", class), f.way)
			return
		}
	}
	l.fault(at, fmt.Sprintf("worker_class must be sync, gthread or gevent, not %q", class), didYouMean(class, []string{"sync", "gthread", "gevent"}))
}

// validateScope complains about settings that this kind of application cannot have,
// and warns of those that do nothing.
func (l *loader) validateScope() {
	c, kind := l.c, l.c.App.Kind
	if kind == "" {
		return
	}
	for _, s := range Settings {
		if s.Block != Top && s.Block != InApp || !c.Written(s.field(c)) {
			continue
		}
		at := l.at(s.field(c))
		outside := s.Name == "ready_after" || s.Name == "stop_signal"
		switch {
		case s.Python && kind != WSGI:
			l.fault(at, fmt.Sprintf("%s is for wsgi applications; this is a %s application", s.Name, kind), "Remove it.")
		case s.Name == "build_flags" && kind != Go:
			l.fault(at, "build_flags is for go applications, which appd builds", "Remove it.")
		case outside && kind.Contract():
			l.fault(at, fmt.Sprintf("%s is for fastcgi and exec programs; %s workers say when they are ready and drain by themselves", s.Name, kind), "Remove it.")
		case !kind.Contract() && needsContract(s):
			l.warn(at, fmt.Sprintf("%s has no effect on %s programs: appd does not see their requests", s.Name, kind), "")
		}
	}
}

// needsContract tells whether a setting works only where workers speak appd's
// contract.
func needsContract(s *Setting) bool {
	switch s.Name {
	case "graceful_timeout":
		return false
	case "max_requests", "max_requests_jitter", "accesslog", "slow_request":
		return true
	}
	return s.Inside
}

func (l *loader) validateWorkers() {
	c := l.c
	switch {
	case c.Written(&c.WorkersMin) && !l.wrote(&c.WorkersMax):
		l.fault(l.at(&c.WorkersMin), "workers_min needs workers_max", "Write both, or neither.")
	case c.Written(&c.WorkersMax) && !l.wrote(&c.WorkersMin):
		l.fault(l.at(&c.WorkersMax), "workers_max needs workers_min", "Write both, or neither.")
	case c.WorkersMin > c.WorkersMax && c.WorkersMax > 0:
		l.fault(l.at(&c.WorkersMin), fmt.Sprintf("workers_min (%d) is more than workers_max (%d)", c.WorkersMin, c.WorkersMax), "")
	}
	if c.MaxMemoryHard > 0 && c.MaxMemory > c.MaxMemoryHard {
		l.fault(l.at(&c.MaxMemory), "max_memory is more than max_memory_hard, so it would never be reached", "Swap the two.")
	}
	if c.MaxRequestsJitter > 0 && c.MaxRequests == 0 && !l.wrote(&c.MaxRequests) {
		l.warn(l.at(&c.MaxRequestsJitter), "max_requests_jitter has no effect without max_requests", "")
	}
	if c.MaxAgeJitter > 0 && c.MaxAge == 0 && !l.wrote(&c.MaxAge) {
		l.warn(l.at(&c.MaxAgeJitter), "max_age_jitter has no effect without max_age", "")
	}
}

// validateIdentity looks up user and group and tells who may become them.
func (l *loader) validateIdentity() {
	c := l.c
	if c.Written(&c.User) {
		uid, err := lookupUser(c.User)
		switch {
		case err != nil:
			l.fault(l.at(&c.User), "user: "+err.Error(), "")
		case os.Geteuid() != 0 && uid != os.Geteuid():
			l.fault(l.at(&c.User), fmt.Sprintf("user: only root may run workers as %s", c.User), "Remove it, or start appd as root.")
		case !c.Written(&c.Group) && !listed(uid):
			l.warn(l.at(&c.User), fmt.Sprintf("user %d is not listed, so its group is not known: workers keep group %d", uid, os.Getegid()), "Write group = \"...\".")
		}
	}
	if c.Written(&c.Group) {
		gid, err := lookupGroup(c.Group)
		switch {
		case err != nil:
			l.fault(l.at(&c.Group), "group: "+err.Error(), "")
		case os.Geteuid() != 0 && gid != os.Getegid():
			l.fault(l.at(&c.Group), fmt.Sprintf("group: only root may run workers as group %s", c.Group), "Remove it, or start appd as root.")
		}
	}
}

func lookupUser(name string) (int, error) {
	if id, ok := parseID(name); ok {
		return id, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no user %q", name)
	}
	return strconv.Atoi(u.Uid)
}

func lookupGroup(name string) (int, error) {
	if id, ok := parseID(name); ok {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q", name)
	}
	return strconv.Atoi(g.Gid)
}

// listed says whether the system knows a user of this number.
func listed(uid int) bool {
	_, err := user.LookupId(strconv.Itoa(uid))
	return err == nil
}

// parseID reads the number of a user or a group. The highest one means "unchanged" to
// the kernel; beyond it numbers would wrap around, and 4294967296 be root.
func parseID(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n < math.MaxUint32
}

func (l *loader) validateHooks() {
	for _, h := range l.c.Hooks {
		at := l.at(h)
		switch {
		case h.Command != nil && h.Python != "":
			l.fault(at, fmt.Sprintf("hook %q has both command and python", h.Name), "Keep one.")
		case !h.Inside() && h.Python != "":
			l.fault(l.at(&h.Python), fmt.Sprintf("%s runs in the supervisor, which has no Python", h.Name), "Write command = [\"...\"].")
		case h.Inside() && h.Command != nil:
			l.fault(l.at(&h.Command), fmt.Sprintf("%s runs inside a worker", h.Name), insideWay(l.c.App.Kind))
		case h.Inside() && l.c.App.Kind != WSGI && l.c.App.Kind != "":
			l.fault(at, fmt.Sprintf("%s runs inside a worker", h.Name), insideWay(l.c.App.Kind))
		case h.Python != "" && !strings.Contains(h.Python, ":"):
			l.fault(l.at(&h.Python), fmt.Sprintf("%q is not module:callable", h.Python), "Write python = \"hooks:"+h.Name+"\".")
		case h.Command == nil && h.Python == "" && !l.wrote(&h.Command) && !l.wrote(&h.Python):
			l.fault(at, fmt.Sprintf("hook %q does nothing", h.Name), "Write command = [\"...\"] into it.")
		case h.Command != nil && (len(h.Command) == 0 || h.Command[0] == ""):
			l.fault(l.at(&h.Command), "the command is empty", "")
		}
	}
}

func insideWay(k Kind) string {
	switch k {
	case Go, Command:
		return "Set it in code: the field Hooks of server.Server."
	case FastCGI, Exec:
		return "Programs of this kind know no hooks inside."
	}
	return "Write python = \"module:callable\"."
}

func (l *loader) validatePaths() {
	c := l.c
	switch info, err := os.Stat(c.App.Chdir); {
	case err != nil:
		l.fault(l.at(&c.App.Chdir), "chdir: "+reason(err, c.App.Chdir), "")
	case !info.IsDir():
		l.fault(l.at(&c.App.Chdir), "chdir: "+c.App.Chdir+" is not a folder", "")
	}
	if m := c.Worker.Mount; m != "" && m != "/" && (m[0] != '/' || strings.HasSuffix(m, "/")) {
		l.fault(l.at(&c.Worker.Mount), fmt.Sprintf("mount begins with a slash and does not end with one, unlike %q", m),
			fmt.Sprintf("Write mount = %q.", "/"+strings.Trim(m, "/")))
	}
	if _, err := accesslog.Compile(c.Worker.AccessLogFormat); err != nil {
		l.fault(l.at(&c.Worker.AccessLogFormat), "access_log_format: "+strings.TrimPrefix(err.Error(), "accesslog: "), "")
	}
	if k := time.Duration(c.Worker.KeepAlive); k > 0 && k < nginxKeeps && c.Written(&c.Worker.KeepAlive) {
		l.warn(l.at(&c.Worker.KeepAlive), fmt.Sprintf("keepalive = %s is shorter than nginx keeps idle connections (%s)", formatDuration(k), formatDuration(nginxKeeps)),
			"Leave it out, unless the front keeps them for a shorter time.")
	}
	if c.Daemon && c.ErrorLog == "-" && !c.InheritStdio {
		l.warn(l.at(&c.Daemon), "daemon without errorlog: nobody will see the log", "Write errorlog = \"/var/log/...\".")
	}
}

// nginxKeeps is nginx's keepalive_timeout of an upstream, where nothing is said.
// https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive_timeout
const nginxKeeps = time.Minute

func (l *loader) validateNginx() {
	for _, n := range l.c.Nginx {
		for _, s := range n.Static {
			wrote := l.wrote(&s.Root) || l.wrote(&s.Alias)
			if !wrote || s.Root != "" && s.Alias != "" {
				l.fault(l.at(s), "static needs a root or an alias", "Write static \""+s.Prefix+"\" { root = \"/srv/shop/public\" }.")
			}
		}
		up := l.c.listener(n.Upstream)
		switch {
		case len(l.c.Listen) == 0 || l.wrote(&n.Upstream) && up == nil:
		case up == nil || up.Protocol != "auto" && up.Protocol != n.Protocol:
			l.fault(orOrigin(l.at(&n.Protocol), l.at(n)), fmt.Sprintf("nginx would speak %s, but no listener does", n.Protocol), "Give a listen block this protocol, or \"auto\".")
		}
	}
}
