// docs/config.md, made from the table.

package config

import (
	"fmt"
	"io"
	"strings"
)

// defaultText is the default as it would be written, or in words; "" for none.
func (s *Setting) defaultText() string {
	switch {
	case s.Computed != "":
		return s.Computed
	case s.Default != "":
		v, _ := s.parse(s.Default)
		at := blank(s.Block)
		assign(s.field(at), v)
		return s.format(s.field(at))
	case s.Inside:
		return s.format(s.field(newConfig("/")))
	}
	text := s.format(s.field(blank(s.Block)))
	if s.Min > 0 || text == `""` || text == "[]" || text == "{}" {
		return ""
	}
	return text
}

func blank(b Block) any {
	switch b {
	case InListen:
		return &Listen{}
	case InHook:
		return &Hook{}
	case InAdmin:
		return &Admin{}
	case InNginx:
		return &Nginx{}
	case InStatic:
		return &Static{}
	}
	return &Config{}
}

const referenceHead = `# Settings

<!-- Made by APPD_UPDATE=1 go test ./internal/config from the table of settings. Do not edit. -->

A configuration is one file, appd.hcl, in [HCL](https://github.com/hashicorp/hcl) syntax. Names are strict: one that is not
listed here is an error that says where it stands and what was probably meant. All errors are shown at once; the exit
status is then 2. ` + "`appd check --print`" + ` shows every effective value and where it came from.

A value is taken from the last of these that has one:

1. the default;
2. what the application sets in code (only settings marked *code*, which concern the inside of a worker);
3. appd.hcl;
4. the environment, ` + "`APPD_`" + ` and the name in capitals; lists are separated by commas, an empty variable counts as unset;
5. the command line.

` + "`PORT`" + ` and ` + "`WEB_CONCURRENCY`" + ` only replace the defaults of the address (0.0.0.0:$PORT) and of workers.

Durations are strings with a unit (` + "`\"1m30s\"`, `\"500ms\"`, `\"7d\"`" + `) or a number of seconds. Sizes are strings with a unit
(` + "`\"512MiB\"`, `\"10k\"`, `\"1GB\"`" + `; letters alone are powers of 1024) or a number of bytes. Relative paths start at the folder of
appd.hcl, or at the current folder when they are written in the environment or on the command line.

Expressions may call ` + "`cpus()`" + ` (processors that appd may use), ` + "`env(\"NAME\", \"default\")`, `hostname()`, `min(...)` and `max(...)`" + `,
and calculate: ` + "`workers = 2 * cpus() + 1`" + `.
`

var referenceParts = []struct {
	title, text string
	block       Block
	rows        *[]Setting
}{
	{"app", "Exactly one `app { ... }` block, without a label. One of `go`, `command`, `wsgi`, `fastcgi` and `exec` says what to run.", InApp, &appSettings},
	{"listen", "A `listen \"ADDRESS\" { ... }` block for each address: `unix:PATH`, `unix:@NAME` (abstract), `HOST:PORT`, or `fd://N` for an inherited socket.\nFlags and variables hold for all listeners. `-b ADDRESS` (`--bind`, `APPD_BIND`) replaces the blocks; it may be repeated, and an address that the file has\nkeeps its block's settings. A file without `listen` needs an `nginx` block with `manage = true`, and listens on the socket\n`app.sock` in the run folder, or PORT. An application named on the command line listens on " + defaultAddress + ".", InListen, &listenSettings},
	{"Processes", "Outside any block, like all that follow.", Top, &processSettings},
	{"Requests and connections", "", Top, &limitSettings},
	{"Logs", "", Top, &logSettings},
	{"Development and checking", "", Top, &devSettings},
}

// WriteReference writes the manual of all settings, in Markdown.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, part := range referenceParts {
		fmt.Fprintf(&b, "\n## %s\n\n", part.title)
		if part.text != "" {
			fmt.Fprintf(&b, "%s\n\n", part.text)
		}
		writeRows(&b, *part.rows)
	}
	writeHooks(&b)
	for _, block := range []struct {
		in   Block
		text string
	}{
		{InAdmin, "An `admin \"ADDRESS\" { ... }` block serves /metrics, /healthz, /readyz, /status and a status page."},
		{InNginx, "An `nginx { ... }` block describes the site that `appd nginx` writes."},
		{InStatic, "`static \"/prefix/\" { ... }` inside the nginx block: files that nginx serves. Without a slash at its end it is that path itself and what lies below it."},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", block.in, block.text)
		var rows []Setting
		for _, s := range Settings {
			if s.Block == block.in {
				rows = append(rows, *s)
			}
		}
		writeRows(&b, rows)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeRows(b *strings.Builder, rows []Setting) {
	b.WriteString("| setting | value | default | flag, variable | |\n|---|---|---|---|---|\n")
	for i := range rows {
		s := &rows[i]
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", s.Name, s.valueText(), s.defaultCell(), s.flagCell(), s.docCell())
	}
}

func (s *Setting) valueText() string {
	if s.OneOf == nil {
		return s.Form.String()
	}
	var words []string
	for _, v := range s.OneOf {
		if v != "" {
			words = append(words, "`\""+v+"\"`")
		}
	}
	return orList(words)
}

func (s *Setting) defaultCell() string {
	d := s.defaultText()
	if d == "" || s.Computed != "" {
		return cell(d)
	}
	return cell("`" + d + "`")
}

func (s *Setting) flagCell() string {
	var parts []string
	if s.Short != "" {
		parts = append(parts, "`-"+s.Short+"`")
	}
	for _, f := range s.Flags {
		parts = append(parts, "`--"+f+"`")
	}
	if s.NoFlag != "" {
		parts = append(parts, "`--"+s.NoFlag+"`")
	}
	if e := s.Env(); e != "" {
		parts = append(parts, "`"+e+"`")
	}
	return strings.Join(parts, ", ")
}

func (s *Setting) docCell() string {
	doc := s.Doc
	switch {
	case s.Min > 0 && s.Max > 0:
		doc += fmt.Sprintf(" From %d to %d.", s.Min, s.Max)
	case s.Max > 0:
		doc += fmt.Sprintf(" At most %d.", s.Max)
	}
	if s.Python {
		doc += " *Python.*"
	}
	if s.Inside {
		doc += " *code*"
	}
	if s.Upgrade {
		doc += " A change takes `appd upgrade`."
	}
	return cell(doc)
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func writeHooks(b *strings.Builder) {
	b.WriteString("\n## hook\n\nA `hook \"NAME\" { ... }` block says what to do at one moment. Hooks of the supervisor are commands; hooks inside a Python\nworker are callables, and get what gunicorn's hooks get. Go programs set theirs in code (field Hooks of server.Server). A hook\nthat fails or takes longer than `hook_timeout` is logged and stops nothing, except where the table says so.\n\n")
	var rows []Setting
	for _, s := range Settings {
		if s.Block == InHook {
			rows = append(rows, *s)
		}
	}
	writeRows(b, rows)
	b.WriteString("\n| hook | where | when |\n|---|---|---|\n")
	for _, h := range hookPoints {
		where := "supervisor"
		if h.inside {
			where = "worker"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", h.name, where, h.when)
	}
}
