// A whole configuration around rendered sites, for nginx as a child of ours.

package nginx

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

//go:embed main.conf.tmpl
var mainText string

// types are the files that web applications come with; a child of ours does not
// read the distribution's mime.types.
var types = []string{
	"text/html html htm", "text/css css", "text/javascript js mjs", "text/plain txt", "text/csv csv", "text/xml xml",
	"application/json json map", "application/manifest+json webmanifest", "application/pdf pdf", "application/wasm wasm",
	"application/zip zip", "application/gzip gz", "image/svg+xml svg svgz", "image/png png", "image/jpeg jpeg jpg",
	"image/gif gif", "image/webp webp", "image/avif avif", "image/x-icon ico", "font/woff woff", "font/woff2 woff2",
	"font/ttf ttf", "audio/mpeg mp3", "audio/ogg ogg", "video/mp4 mp4", "video/webm webm",
}

// whole is what main.conf.tmpl is filled with.
type whole struct {
	Dir         string
	User, Group string
	Processes   string
	Grace       string
	Types       []string
	Sites       string
}

// render writes the configuration of a child that keeps all its files in dir.
func (w whole) render(sites []Site) ([]byte, error) {
	text, err := Render(sites...)
	if err != nil {
		return nil, err
	}
	w.Sites, w.Types = indent(string(text)), types
	tmpl, err := template.New("main").Funcs(template.FuncMap{
		"quote": quote,
		"path":  func(name string) string { return quote(filepath.Join(w.Dir, name)) },
	}).Parse(mainText)
	if err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, w); err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	return out.Bytes(), nil
}

// indent moves the sites into the http block.
func indent(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			out.WriteString("    ")
		}
		out.WriteString(line)
	}
	return out.String()
}

// prepare makes the folders that the configuration names.
func prepare(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o755); err != nil {
		return fmt.Errorf("nginx: %w", err)
	}
	return nil
}

// Account is the user whom nginx's workers become when nginx starts as root, and
// its group: the distribution's www-data or nginx, else nobody. Without root
// both are empty, because nginx then stays what it is.
func Account() (name, group string) {
	if os.Geteuid() != 0 {
		return "", ""
	}
	for _, name := range []string{"www-data", "nginx", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if g, err := user.LookupGroupId(u.Gid); err == nil {
			return name, g.Name
		}
	}
	return "", ""
}

// grace is how long nginx's workers may take to finish when none was set.
const grace = 30 * time.Second
