// gunicorn.conf.py: a Python program, so Python runs it and says what it left.

package migrate

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/appd-server/appd/internal/config"
)

//go:embed gunicorn_values.py
var valuesProgram string

// Gunicorn reads a gunicorn.conf.py by running it in the given interpreter. app is
// the application, when the file does not name it; may be "".
func Gunicorn(ctx context.Context, path, interpreter, app string) (*Draft, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, interpreter, "-c", valuesProgram, path)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("%s cannot be run by %s:\n%s", path, interpreter, strings.TrimSpace(errs.String()))
		}
		return nil, err
	}
	var values struct {
		Plain map[string]any `json:"plain"`
		Hooks []string       `json:"hooks"`
		Odd   []string       `json:"odd"`
	}
	if err := json.Unmarshal(out.Bytes(), &values); err != nil {
		return nil, fmt.Errorf("what %s said makes no sense: %w", interpreter, err)
	}
	d := &Draft{From: path, env: map[string]string{}}
	g := gunicorn{d, string(src)}
	if app != "" {
		d.set("wsgi", config.Quote(app))
	}
	for _, name := range gunicornOrder(values.Plain) {
		g.carry(name, values.Plain[name])
	}
	for _, name := range values.Hooks {
		g.hook(name)
	}
	for _, name := range values.Odd {
		if _, _, known := config.Foreign(name); known {
			d.loseForeign(name, name)
		} else {
			d.lose(name, "its value is not a plain one")
		}
	}
	if len(d.listen) == 0 {
		d.addListen("127.0.0.1:8000", "")
	}
	return d, nil
}

// gunicornOrder is the names in the order of appd's manual, bind first and others last.
func gunicornOrder(m map[string]any) (names []string) {
	if _, ok := m["bind"]; ok {
		names = append(names, "bind") // what concerns listeners needs them
	}
	for _, s := range config.Settings {
		if _, ok := m[s.Name]; ok && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	var rest []string
	for name := range m {
		if !slices.Contains(names, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(names, rest...)
}

type gunicorn struct {
	*Draft
	src string
}

// same are the settings that have gunicorn's name and meaning.
var same = []string{
	"worker_class", "threads", "worker_connections", "max_requests", "max_requests_jitter", "timeout", "graceful_timeout",
	"limit_request_line", "limit_request_fields", "limit_request_field_size", "reload", "reload_engine", "reload_extra_files",
	"spew", "preload_app", "sendfile", "chdir", "daemon", "pidfile", "worker_tmp_dir", "user", "group", "initgroups",
	"proc_name", "accesslog", "access_log_format", "errorlog", "loglevel", "capture_output", "enable_stdio_inheritance",
}

// carry takes one value over.
func (g gunicorn) carry(name string, value any) {
	shown := fmt.Sprintf("%s = %v", name, value)
	switch name {
	case "wsgi_app":
		g.set("wsgi", hcl(value))
	case "bind":
		for _, address := range texts(value) {
			g.bind(address)
		}
	case "backlog":
		if n, ok := value.(float64); ok {
			g.backlog = int(n)
		}
	case "workers":
		g.set(name, g.expression(name, hcl(spelled(name, value))))
	case "keepalive":
		g.drop(shown, "gunicorn's is short because nobody should wait for a thread; here it must be longer than nginx's own")
	case "raw_env":
		for _, kv := range texts(value) {
			if k, v, ok := strings.Cut(kv, "="); ok {
				g.env[k] = v
			}
		}
	case "umask":
		if n, err := strconv.ParseInt(strings.TrimSpace(fmt.Sprint(value)), 0, 32); err == nil && n != 0 {
			g.set(name, fmt.Sprintf("%q", fmt.Sprintf("%04o", n)))
		}
	case "pythonpath":
		g.set(name, quoteList(strings.Split(fmt.Sprint(value), ",")))
	case "reload_engine":
		if value == "inotify" || value == "poll" || value == "auto" {
			g.set(name, hcl(value))
		}
	case "worker_class":
		g.class(value, shown)
	case "forwarded_allow_ips":
		g.drop(shown, "set forwarded_allow_ips and forwarded_hops in a listen block if clients' addresses matter; behind a generated nginx site they are right")
	case "proxy_protocol":
		for _, l := range g.listen {
			if value == true {
				l.lines = append(l.lines, line{name, "true"})
			}
		}
	default:
		if slices.Contains(same, name) {
			g.set(name, hcl(spelled(name, value)))
			return
		}
		g.loseForeign(shown, name)
	}
}

// bind takes an address over, however gunicorn spells it.
func (g gunicorn) bind(address string) {
	if _, err := config.ParseAddress(address, "/"); err != nil {
		g.lose("bind "+address, err.Error())
		return
	}
	g.addListen(address, "")
}

// class takes the worker class over, if appd has it.
func (g gunicorn) class(value any, shown string) {
	class, way := config.WorkerClass(fmt.Sprint(value))
	if class == "" {
		g.lose(shown, way)
		return
	}
	g.set("worker_class", config.Quote(class))
}

// cpuCount is how people ask Python for the number of processors.
var (
	cpuCount   = regexp.MustCompile(`(multiprocessing\.|os\.|mp\.)?cpu_count\(\)`)
	arithmetic = regexp.MustCompile(`^[0-9+*() -]*cpus\(\)[0-9+*() -]*$`)
)

// expression keeps a calculation from cpu_count() a calculation; other values are
// what they were when the file was run.
func (g gunicorn) expression(name, value string) string {
	m := regexp.MustCompile(`(?m)^` + name + `\s*=\s*([^#\n]+)`).FindStringSubmatch(g.src)
	if m == nil {
		return value
	}
	if e := cpuCount.ReplaceAllString(strings.TrimSpace(m[1]), "cpus()"); arithmetic.MatchString(e) {
		return e
	}
	return value
}

// hook notes a function; appd imports hooks from a module or runs commands.
func (g gunicorn) hook(name string) {
	h := config.Hook{Name: name}
	switch {
	case !slices.Contains(config.HookNames(), name):
		g.loseForeign(name+"()", name)
	case h.Inside():
		g.lose(name+"()", fmt.Sprintf("move it into a module and write hook %q { python = \"module:%s\" }", name, name))
	default:
		g.lose(name+"()", fmt.Sprintf("it runs in the supervisor, which has no Python: hook %q { command = [...] }", name))
	}
}

// spelled turns values that gunicorn understands into those of appd.
func spelled(name string, value any) any {
	text, isText := value.(string)
	switch {
	case name == "accesslog" && text == "/dev/stdout", name == "errorlog" && text == "/dev/stderr":
		return "-"
	case (name == "user" || name == "group") && !isText:
		return fmt.Sprint(value)
	}
	for _, s := range config.Settings {
		if s.Name == name && s.Form == config.Bool && !isText {
			return value != false && value != 0.0
		} else if s.Name == name && s.Form == config.Bool {
			return strings.EqualFold(strings.TrimSpace(text), "true")
		} else if n, err := strconv.ParseFloat(text, 64); s.Name == name && s.Form == config.Int && err == nil {
			return n
		}
	}
	return value
}

// texts is a string or a list of strings as a list.
func texts(value any) (list []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			list = append(list, fmt.Sprint(e))
		}
	}
	return list
}

// hcl writes a JSON value as an HCL expression.
func hcl(value any) string {
	switch v := value.(type) {
	case string:
		return config.Quote(v)
	case []any:
		return quoteList(texts(value))
	case float64, bool:
		text, _ := json.Marshal(v)
		return string(text)
	}
	return fmt.Sprint(value)
}
