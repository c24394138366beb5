// Checks that need more than one setting, or the machine.

package config

import (
	"fmt"
	"os"
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
