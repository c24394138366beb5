// Rendering: a Site becomes the text of a configuration file.

package nginx

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"
)

//go:embed site.conf.tmpl
var siteText string

var siteTemplate = template.Must(template.New("site").Funcs(template.FuncMap{"quote": quote}).Parse(siteText))

// Render writes the sites for the http block of an nginx: an upstream and a
// server for each, with comments that say why. Several sites of one name get
// their protocol behind it.
func Render(sites ...Site) ([]byte, error) {
	if len(sites) == 0 {
		return nil, errors.New("nginx: no site to render")
	}
	names := map[string]int{}
	for _, s := range sites {
		names[identifier(s.Name)]++
	}
	var out bytes.Buffer
	taken := map[string]bool{}
	for i, s := range sites {
		if err := s.check(); err != nil {
			return nil, err
		}
		id := identifier(s.Name)
		if names[id] > 1 {
			id += "_" + s.Protocol
		}
		for n, base := 2, id; taken[id]; n++ {
			id = fmt.Sprintf("%s_%d", base, n)
		}
		taken[id] = true
		if i > 0 {
			out.WriteByte('\n')
		}
		if err := siteTemplate.Execute(&out, view{Site: s, ID: id}); err != nil {
			return nil, fmt.Errorf("nginx: %w", err)
		}
	}
	return tidy(out.Bytes()), nil
}

// view is a Site with what the template cannot work out by itself.
type view struct {
	Site
	ID string
}

// P is the prefix of the directives of the site's protocol.
func (v view) P() string {
	if v.Protocol == "http" {
		return "proxy"
	}
	return v.Protocol
}

// Pass is the argument of the *_pass directive.
func (v view) Pass() string {
	if v.Protocol == "http" {
		return "http://" + v.ID
	}
	return v.ID
}

// Summary says in a line what the site does.
func (v view) Summary() string {
	kept := "a connection for each request"
	if v.Kept() {
		kept = "connections kept"
	}
	return v.P() + "_pass to appd at " + v.Upstream + ", " + kept
}

// Kept says whether connections to the application are kept.
func (v view) Kept() bool { return v.KeepAlive > 0 && v.Protocol != "uwsgi" }

// Listens are the arguments of the listen directives.
func (v view) Listens() []string {
	if len(v.Listen) == 0 {
		return []string{"80"}
	}
	out := make([]string, len(v.Listen))
	for i, l := range v.Listen {
		out[i] = words(l)
	}
	return out
}

// Mount is the prefix without its last slash, empty for the whole server.
func (v view) Mount() string { return strings.TrimRight(v.Site.Mount, "/") }

// Location is the argument of the application's location. Below a mount it
// captures the rest of the path; (?s) and \z because a decoded path may hold a
// line feed.
func (v view) Location() string {
	if v.Mount() == "" {
		return "/"
	}
	return "~ " + quote(fmt.Sprintf(`(?s)^%s(?<appd_path>/.*)?\z`, regexp.QuoteMeta(v.Mount())))
}

// Params are the fastcgi_param or uwsgi_param lines, aligned.
func (v view) Params() []string {
	path, server := "$uri", "$host"
	if v.Mount() != "" {
		path = "$appd_path"
	}
	if len(v.ServerName) > 0 && !strings.ContainsAny(v.ServerName[0], "*~") && v.ServerName[0] != "_" {
		server = "$server_name"
	}
	params := [][2]string{
		{"SCRIPT_NAME", quote(v.Mount())},
		{"PATH_INFO", path},
		{"QUERY_STRING", "$query_string"},
		{"REQUEST_URI", "$request_uri"},
		{"REQUEST_METHOD", "$request_method"},
		{"CONTENT_TYPE", "$content_type if_not_empty"},
		{"CONTENT_LENGTH", "$content_length if_not_empty"},
		{"SERVER_PROTOCOL", "$server_protocol"},
		{"REQUEST_SCHEME", "$scheme"},
		{"HTTPS", "$https if_not_empty"},
		{"REMOTE_ADDR", "$remote_addr"},
		{"REMOTE_PORT", "$remote_port"},
		{"REMOTE_USER", "$remote_user if_not_empty"},
		{"SERVER_NAME", server},
		{"SERVER_ADDR", "$server_addr"},
		{"SERVER_PORT", "$server_port"},
		{"SERVER_SOFTWARE", "nginx/$nginx_version"},
		{"GATEWAY_INTERFACE", "CGI/1.1"},
	}
	lines := make([]string, len(params))
	for i, p := range params {
		lines[i] = fmt.Sprintf("%s_param %-17s %s;", v.P(), p[0], p[1])
	}
	return lines
}

// Patience is how long nginx waits for the next piece of an answer, and until the
// application takes more of a request: longer than the application's own limit,
// and at least nginx's default.
func (v view) Patience() string {
	if v.Timeout <= 0 {
		return "1d"
	}
	return seconds(max(v.Timeout+10*time.Second, 60*time.Second))
}

// idle is how long the application keeps an idle connection.
func (v view) idle() time.Duration {
	if v.Idle <= 0 {
		return 75 * time.Second
	}
	return v.Idle
}

// IdleText names it.
func (v view) IdleText() string { return seconds(v.idle()) }

// KeepFor is how long nginx keeps one: its default, but a fifth less than the
// application.
func (v view) KeepFor() string { return seconds(min(60*time.Second, v.idle()*4/5)) }

// LimitText names the application's own limit.
func (v view) LimitText() string {
	if v.Timeout <= 0 {
		return "timeout = 0, none"
	}
	return "timeout = " + seconds(v.Timeout)
}

// Static adds what the template writes about a folder.
func (v view) Static() []staticView {
	out := make([]staticView, len(v.Site.Static))
	for i, st := range v.Site.Static {
		out[i] = staticView{st}
	}
	return out
}

type staticView struct{ Static }

// location is one location block: its argument, and its root or alias directive.
type location struct{ Match, Where string }

// Locations are the blocks for the prefix. nginx compares beginnings: without a slash
// at its end /files would be the beginning of /files.old, too, which an alias makes a
// neighbour of the folder. So that is written as the path itself and all below it.
func (s staticView) Locations() []location {
	folder := strings.TrimRight(s.Prefix, "/") + "/"
	below := location{"^~ " + quote(folder), s.where("/")}
	if strings.HasSuffix(s.Prefix, "/") {
		return []location{below}
	}
	return []location{{"= " + quote(s.Prefix), s.where("")}, below}
}

// where is the root or alias directive. An alias has to end like its location, in a
// slash or without one, or nginx looks beside the folder.
func (s staticView) where(end string) string {
	if s.Root != "" {
		return "root " + quote(s.Root)
	}
	return "alias " + quote(strings.TrimRight(s.Alias, "/")+end)
}

// Keep is the argument of the expires directive.
func (s staticView) Keep() string {
	if s.Expires <= 0 {
		return "off"
	}
	return seconds(s.Expires)
}

// tidy leaves at most one empty line in a row and none at the start of a block.
func tidy(text []byte) []byte {
	text = regexp.MustCompile(`\n{3,}`).ReplaceAll(text, []byte("\n\n"))
	text = regexp.MustCompile(`\{\n{2,}`).ReplaceAll(text, []byte("{\n"))
	text = regexp.MustCompile(`\n{2,}(\s*\})`).ReplaceAll(text, []byte("\n$1"))
	return append(bytes.TrimSpace(text), '\n')
}
