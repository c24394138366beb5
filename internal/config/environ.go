// The environment: APPD_* variables, one for each setting that has a flag.

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// reserved are APPD_* variables that are not settings: appd gives them to workers,
// hooks and builds, or reads them for other ends.
var reserved = []string{
	"APPD_BIND", "APPD_HANDOFF", "APPD_WORKER_ID", "APPD_GENERATION", "APPD_LISTEN", "APPD_ENGINE", "APPD_FAILURE", "APPD_UPDATE", "APPD_UPGRADE", "APPD_DETACHED",
	"APPD_HOOK", "APPD_NAME", "APPD_SUPERVISOR_PID", "APPD_PID", "APPD_REASON", "APPD_EXIT", "APPD_WORKERS_BEFORE",
}

// readEnviron applies APPD_* variables to everything but listeners, whose number
// is not known yet.
func (l *loader) readEnviron() {
	for _, s := range Settings {
		if s.Block == Top || s.Block == InApp {
			l.fromEnviron(s, place{s.Block, l.c, ""})
		}
	}
	l.misspelt()
	l.gunicorns()
}

// gunicornFile is what gunicorn reads without being told to.
const gunicornFile = "gunicorn.conf.py"

// gunicorns warns of settings that gunicorn would find by itself.
func (l *loader) gunicorns() {
	if v := l.env["GUNICORN_CMD_ARGS"]; v != "" {
		l.warn(Origin{Layer: FromEnv, Name: "GUNICORN_CMD_ARGS"}, "is not read by appd",
			"Put these settings into appd.hcl, into APPD_* variables or on the command line.")
	}
	p := l.source.App
	if p == nil || p.Kind != WSGI || l.source.File != "" {
		return
	}
	if _, err := os.Stat(filepath.Join(l.source.Dir, gunicornFile)); err == nil {
		l.warn(Origin{Layer: FromFlags, Name: p.Word}, "gunicorn.conf.py stands here, and appd does not read it",
			"`appd import gunicorn.conf.py "+p.Word+"` writes an appd.hcl from it; then start `appd`.")
	}
}

// fromEnviron applies the variable of s to the struct of p, if it is set.
func (l *loader) fromEnviron(s *Setting, p place) {
	name := s.Env()
	text := l.env[name]
	if name == "" || text == "" {
		return // an empty variable is how many tools leave one unset
	}
	from := Origin{Layer: FromEnv, Name: name}
	l.apply(s, p, []string{text}, from)
}

// apply parses texts (several for a repeated flag) and sets the field.
func (l *loader) apply(s *Setting, p place, texts []string, from Origin) {
	var joined any
	for _, text := range texts {
		v, err := s.parse(text)
		if err == nil {
			v, err = s.check(v)
		}
		if err != nil {
			l.faultOnce(from, s.Name+" "+err.Error())
			return
		}
		if more, ok := v.([]string); ok && joined != nil {
			v = append(joined.([]string), more...)
		}
		if s.Form == Map {
			l.c.set(s.field(p.at), v, from)
		}
		joined = v
	}
	if s.Form != Map {
		l.c.set(s.field(p.at), l.relative(s, joined, l.source.Dir), from)
	}
}

// faultOnce is fault, but says the same only once: a flag for all listeners is
// applied to each.
func (l *loader) faultOnce(from Origin, text string) {
	if !slices.ContainsFunc(l.faults, func(f Fault) bool { return f.Origin == from && f.Text == text }) {
		l.fault(from, text, "")
	}
}

// misspelt warns of variables that look like one of ours. It is no error: others
// may put APPD_* variables into the environment too.
func (l *loader) misspelt() {
	var known []string
	for _, s := range Settings {
		if e := s.Env(); e != "" {
			known = append(known, strings.TrimPrefix(e, "APPD_"))
		}
	}
	for _, kv := range l.source.Environ {
		name, _, _ := strings.Cut(kv, "=")
		short, ok := strings.CutPrefix(name, "APPD_")
		if !ok || slices.Contains(known, short) || slices.Contains(reserved, name) {
			continue
		}
		if near := Nearest(short, known); near != "" {
			l.warn(Origin{Layer: FromEnv, Name: name}, "is not a setting", "Did you mean APPD_"+near+"?")
		}
	}
}
