// Checks of the app block: the kind, the program, the worker class, and what does not
// go with them.

package config

import (
	"fmt"
	"os"
	"strings"
)

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
	{"tornado", "Tornado runs its own loop: write exec = [\"python3\", \"server.py\"] and listen on descriptor 3, as in docs/python.md."},
	{"aiohttp", "aiohttp runs its own loop: write exec = [\"python3\", \"server.py\"] and listen on descriptor 3, as in docs/python.md."},
	{"uvicorn", "asgi applications run as exec = [\"uvicorn\", \"--fd\", \"3\", \"shop.asgi:app\"]."},
	{"websocket", "Write worker_class = \"gevent\" for its pages; WebSockets need exec and a server of their own."},
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
	if short, way := WorkerClass(class); short == "" {
		l.fault(at, fmt.Sprintf("worker_class %q is not one of appd's, which are sync, gthread and gevent", class), way)
	}
}

// WorkerClass returns appd's name of a worker class, however gunicorn's users spell
// it, or "" and what to write instead.
func WorkerClass(class string) (name, way string) {
	short := strings.TrimPrefix(class, "egg:gunicorn#")
	if s, ok := sameClasses[strings.ToLower(short)]; ok {
		short = s
	}
	switch short {
	case "sync", "gthread", "gevent":
		return short, ""
	}
	for _, f := range foreignClasses {
		if strings.Contains(strings.ToLower(class), f.part) {
			return "", f.way
		}
	}
	return "", didYouMean(class, []string{"sync", "gthread", "gevent"})
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
