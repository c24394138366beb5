// What a site is made of, and which values nginx would misread.

package nginx

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Site is one server block and the application behind it.
type Site struct {
	// Name names the upstream and its variables. Letters, digits and "_"; other
	// characters become "_".
	Name string

	// Listen holds values of nginx's listen directive: "8080", "127.0.0.1:8080",
	// "[::]:443 ssl", "unix:/run/shop/front.sock". None means "80".
	Listen []string

	// ServerName holds the names of the server; none means any.
	ServerName []string

	// Protocol is what nginx speaks to the application: "fastcgi", "uwsgi" or
	// "http".
	Protocol string

	// Upstream is where the application listens: "unix:PATH" or "HOST:PORT".
	Upstream string

	// Mount is the path prefix under which the application is served, such as
	// "/shop"; empty or "/" for all paths.
	Mount string

	// KeepAlive is how many idle connections to the application each of nginx's
	// workers keeps; 0 opens one for each request. It must be 0 for workers
	// that serve one connection at a time, or a request waits behind a busy
	// worker while another is free. The uwsgi protocol has none.
	KeepAlive int

	// Timeout is the application's own limit of a request, 0 for none. nginx
	// waits longer, both for the answer and for the application to take the
	// request, so that the application's answer wins.
	Timeout time.Duration

	// Idle is how long the application keeps an idle connection; 0 means 75
	// seconds. nginx gives it up earlier, so that none is closed under it.
	Idle time.Duration

	// MaxBody is the largest request body in bytes; 0 means no limit.
	MaxBody int64

	// NoBuffering passes each piece of an answer on at once. A single answer
	// asks for it with "X-Accel-Buffering: no".
	NoBuffering bool

	// NoRequestBuffering passes uploads on while they arrive, instead of
	// keeping them until they are complete.
	NoRequestBuffering bool

	// Static are the folders that nginx serves by itself.
	Static []Static

	// Include names files whose lines are put into the server block: TLS, more
	// locations, access rules.
	Include []string
}

// Static maps a path prefix to a folder. Exactly one of Root and Alias is set.
type Static struct {
	Prefix string // such as "/static/"

	// Root is the folder below which the whole path is sought: /static/a.css is
	// ROOT/static/a.css.
	Root string

	// Alias is the folder that replaces the prefix: /static/a.css is ALIAS/a.css.
	Alias string

	// Internal hides the folder from clients; the application hands its files
	// out by answering with X-Accel-Redirect.
	Internal bool

	// Expires is how long clients may keep a file without asking; 0 leaves it
	// to them.
	Expires time.Duration
}

// ErrNotFound says that no nginx is installed.
var ErrNotFound = errors.New("nginx: the program is not installed; on Debian: apt-get install nginx")

// check names the first value that cannot be written into a configuration.
func (s *Site) check() error {
	switch s.Protocol {
	case "fastcgi", "uwsgi", "http":
	default:
		return fmt.Errorf("nginx: protocol %q: want fastcgi, uwsgi or http", s.Protocol)
	}
	if s.Name == "" {
		return errors.New("nginx: a site needs a name")
	}
	if s.Upstream == "" || s.Upstream == "unix:" {
		return fmt.Errorf("nginx: site %s has no upstream", s.Name)
	}
	if s.Mount != "" && !strings.HasPrefix(s.Mount, "/") {
		return fmt.Errorf("nginx: mount %q does not begin with a slash", s.Mount)
	}
	for _, st := range s.Static {
		if !strings.HasPrefix(st.Prefix, "/") {
			return fmt.Errorf("nginx: static %q does not begin with a slash", st.Prefix)
		}
		if (st.Root == "") == (st.Alias == "") {
			return fmt.Errorf("nginx: static %q needs either a root or an alias", st.Prefix)
		}
	}
	return s.checkText()
}

// checkText refuses what no quoting can express: nginx expands "$" in most
// values and has no way to write one.
func (s *Site) checkText() error {
	values := []string{s.Upstream, s.Mount}
	values = append(values, s.Listen...)
	values = append(values, s.Include...)
	for _, name := range s.ServerName { // "$" ends a regular expression there
		values = append(values, strings.ReplaceAll(name, "$", ""))
	}
	for _, st := range s.Static {
		values = append(values, st.Prefix, st.Root, st.Alias)
	}
	for _, v := range values {
		if i := strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f || r == '$' }); i >= 0 {
			return fmt.Errorf("nginx: %q: character %q cannot stand in nginx's configuration", v, v[i])
		}
	}
	return nil
}

// plain is a value that needs no quotes.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@~^*+=,%&?!\[\]()|-]+$`)

// quote writes one value.
func quote(v string) string {
	if plain.MatchString(v) {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// words writes a value that may hold several parameters, such as "443 ssl".
func words(v string) string {
	parts := strings.Fields(v)
	for i := range parts {
		parts[i] = quote(parts[i])
	}
	return strings.Join(parts, " ")
}

// identifier makes a name fit for upstreams and variables.
func identifier(name string) string {
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		name = "app_" + name
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, name)
}

// seconds writes a duration as nginx reads it: whole seconds when it is some.
func seconds(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}
