// Loading: every layer in its order, then the checks that need the whole.

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Source is where a configuration is read from. Loading it again reads everything
// again, as a reload does.
type Source struct {
	File    string   // appd.hcl as it was named; "" = none
	App     *Program // the application named on the command line; nil = the file's
	Flags   *Flags   // nil = none
	Environ []string // KEY=VALUE; nil = os.Environ()
	Dir     string   // current folder; "" = os.Getwd()
	Dev     bool     // `appd dev`: reload, one worker, a TCP listener
}

// loader is one Load.
type loader struct {
	c      *Config
	source Source
	env    map[string]string
	faults Faults

	tried    map[any]Origin // fields that were written, but wrong
	appBlock Origin         // where the app block stands
	broken   bool           // the file could not be parsed
}

// Load reads a configuration. The error is a [Faults]; the Config is then not to be
// used.
func Load(source Source) (*Config, error) {
	l, err := read(source)
	if err != nil {
		return nil, err
	}
	if !l.broken {
		l.validate()
	}
	if len(l.faults) > 0 {
		l.faults.sort()
		return nil, l.faults
	}
	return l.c, nil
}

// Locate finds the run folder of a configuration, be it as wrong as it may: an appd
// that runs can be talked to while its file is being edited. The signpost is where
// to look next, or "".
func Locate(source Source) (folder, signpost string, err error) {
	l, err := read(source)
	if err != nil {
		return "", "", err
	}
	return l.c.RunFolder(), l.c.Signpost(), nil
}

// read applies all layers; what is wrong is in the loader's faults.
func read(source Source) (*loader, error) {
	if source.Dir == "" {
		dir, err := os.Getwd()
		if err != nil {
			return nil, Faults{{Text: "the current folder cannot be found: " + err.Error()}}
		}
		source.Dir = dir
	}
	if source.Environ == nil {
		source.Environ = os.Environ()
	}
	l := &loader{source: source, env: environMap(source.Environ), tried: map[any]Origin{}}
	base := source.Dir
	if source.File != "" {
		base = filepath.Dir(absolute(source.File, source.Dir))
	}
	l.c = newConfig(base)
	l.c.File = source.File
	if source.File != "" {
		l.readFile()
	}
	l.readEnviron()
	l.readFlags()
	l.program()
	l.derive()
	return l, nil
}

func (l *loader) fault(at Origin, text, way string) {
	l.faults = append(l.faults, Fault{at, text, way})
}

func (l *loader) warn(at Origin, text, way string) {
	l.c.Warnings = append(l.c.Warnings, Fault{at, text, way})
}

func (l *loader) getenv(name string) (string, bool) {
	v, ok := l.env[name]
	return v, ok
}

func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

// relative makes paths absolute, from the folder of whoever wrote them.
func (l *loader) relative(s *Setting, value any, folder string) any {
	switch v := value.(type) {
	case string:
		if s.Path && v != "" && v != "-" || s.Name == "python" && strings.Contains(v, "/") {
			return absolute(v, folder)
		}
	case []string:
		if s.Path {
			for i := range v {
				v[i] = absolute(v[i], folder)
			}
		}
	}
	return value
}

// absolute is path made absolute, from folder; symbolic links are left alone. A
// leading ~/ is the home folder.
func absolute(path, folder string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// program puts the application of the command line over the file's.
func (l *loader) program() {
	p := l.source.App
	if p == nil {
		return
	}
	a := &l.c.App
	for _, field := range l.c.kinds() {
		delete(l.c.origins, field.ptr)
	}
	a.Go, a.Command, a.WSGI, a.FastCGI, a.Exec = "", nil, "", nil, nil
	from := Origin{Layer: FromFlags, Name: p.Word}
	switch p.Kind {
	case Go:
		l.c.set(&a.Go, p.Words[0], from)
		a.Args = p.Words[1:]
	case Command:
		l.c.set(&a.Command, p.Words, from)
	case WSGI:
		l.c.set(&a.WSGI, p.Words[0], from)
	}
}

// kindField is an attribute that chooses the kind.
type kindField struct {
	kind Kind
	ptr  any
}

func (c *Config) kinds() []kindField {
	a := &c.App
	return []kindField{{Go, &a.Go}, {Command, &a.Command}, {WSGI, &a.WSGI}, {FastCGI, &a.FastCGI}, {Exec, &a.Exec}}
}

// derive fills in what depends on other settings and was not written.
func (l *loader) derive() {
	c := l.c
	for _, k := range c.kinds() {
		if c.Written(k.ptr) {
			c.App.Kind = k.kind
		}
	}
	if c.App.Chdir == "" {
		c.App.Chdir = c.Base
	}
	if c.App.Name == "" {
		c.App.Name = filepath.Base(c.App.Chdir)
	}
	if c.ProcName == "" {
		c.ProcName = c.App.Name
	}
	l.deriveWorkers()
	if c.App.Kind == WSGI {
		l.deriveClass()
	}
	l.deriveListeners()
	l.readEnvFiles()
	if l.source.Dev {
		l.develop()
	}
}

// deriveWorkers: one per CPU, WEB_CONCURRENCY instead, never outside workers_min
// and workers_max.
func (l *loader) deriveWorkers() {
	c := l.c
	if c.Written(&c.Workers) {
		return
	}
	c.Workers = cpus()
	if text, ok := l.env["WEB_CONCURRENCY"]; ok && text != "" {
		from := Origin{Layer: FromEnv, Name: "WEB_CONCURRENCY"}
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			c.Workers = n
			c.origins[&c.Workers] = from
		} else {
			l.fault(from, "must be a number of workers, at least 1", "")
		}
	}
	if c.WorkersMin > 0 {
		c.Workers = max(c.Workers, c.WorkersMin)
	}
	if c.WorkersMax > 0 {
		c.Workers = min(c.Workers, c.WorkersMax)
	}
}

// develop is what `appd dev` changes unless somebody wrote otherwise.
func (l *loader) develop() {
	c := l.c
	from := Origin{Layer: FromFlags, Name: "dev"}
	c.set(&c.Reload, true, from)
	if c.Where(&c.Workers).Layer < FromEnv || c.Where(&c.Workers).Name == "WEB_CONCURRENCY" {
		c.set(&c.Workers, int64(1), from)
		c.WorkersMin, c.WorkersMax = 0, 0
	}
	if c.AccessLog == "" {
		c.set(&c.AccessLog, "-", from)
	}
	if c.Where(&c.Worker.GracefulTimeout).Layer == FromDefault {
		c.set(&c.Worker.GracefulTimeout, time.Second, from)
	}
}

// sameClasses are gunicorn's other names for the classes.
var sameClasses = map[string]string{
	"gevent_wsgi": "gevent", "gevent_pywsgi": "gevent",
	"gunicorn.workers.ggevent.geventworker": "gevent", "gunicorn.workers.ggevent.geventpywsgiworker": "gevent",
	"gunicorn.workers.gthread.threadworker": "gthread", "gunicorn.workers.sync.syncworker": "sync",
}

// deriveClass brings worker_class to its short name. More than one thread means
// gthread, but in gevent, which has one.
func (l *loader) deriveClass() {
	c := l.c
	class := c.App.WorkerClass
	if short, _ := WorkerClass(class); short != "" {
		class = short
	}
	switch class {
	case "", "sync":
		class = "sync"
		if c.Worker.Threads > 1 {
			class = "gthread"
		}
	case "gevent":
		if c.Worker.Threads > 1 {
			l.warn(l.at(&c.Worker.Threads), "threads has no effect with worker_class gevent, which has one thread and waits in greenlets", "")
			c.Worker.Threads = 1
		}
	}
	c.App.WorkerClass = class
}

// addListener appends a listener with defaults.
func (c *Config) addListener(address string, from Origin) *Listen {
	l := &Listen{Address: address}
	c.Listen = append(c.Listen, l)
	c.origins[l] = from
	c.fill(place{InListen, l, address})
	return l
}

// forget takes a struct that holds settings out of what is printed.
func (c *Config) forget(at any) {
	c.places = slices.DeleteFunc(c.places, func(p place) bool { return p.at == at })
}
