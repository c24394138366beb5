// appd init: a commented appd.hcl for the project in the current folder.

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/config"
)

var initVerb = verb{
	name: "init", args: "[APP]", app: true,
	summary: "write a commented appd.hcl for the Go package, program, Python or PHP project here",
	flags: func(f *pflag.FlagSet) {
		f.StringP("output", "o", "appd.hcl", "The `FILE` to write, or - for stdout.")
		f.Bool("force", false, "Write over a file that is there.")
	},
	run: func(in *invocation) int {
		dir, err := os.Getwd()
		if err != nil {
			return fail(err)
		}
		found := findProjects(dir)
		if in.app != "" {
			p, err := config.ParseProgram(in.app, in.appArg, dir)
			if err != nil {
				return usage(err)
			}
			found = []project{{kind: p.Kind, words: p.Words}}
			if p.Kind == config.WSGI {
				found[0].python = findVenv(dir)
			}
		}
		if len(found) == 0 {
			return fail(errors.New("no application was found here: no package main in . or ./cmd/*, no program in . or ./bin, no manage.py, no Python module with an application, no index.php\nName it: appd init ./cmd/shop, appd init shop.wsgi:application"))
		}
		if status := in.write([]byte(initial(filepath.Base(dir), found))); status != exitDone {
			return status
		}
		fmt.Fprintf(os.Stderr, "found %s; start it with: appd\n", found[0])
		return exitDone
	},
}

// initial is the text of a first appd.hcl. The first project is used, others are
// shown as comments.
func initial(name string, found []project) string {
	p := found[0]
	var b strings.Builder
	fmt.Fprintf(&b, `# How appd runs %s. Check it with: appd check
# All settings: docs/config.md of appd. Times are "30s" or seconds, sizes "512MiB" or bytes.

app {
  %s
`, name, p.attribute())
	for _, other := range found[1:] {
		fmt.Fprintf(&b, "  # %s\n", other.attribute())
	}
	b.WriteString(p.details())
	b.WriteString("}\n")
	fmt.Fprintf(&b, initialListen, name, p.protocol())
	b.WriteString(initialRest)
	b.WriteString(p.limits())
	b.WriteString(initialAdmin)
	if p.root != "" {
		fmt.Fprintf(&b, initialPHP, p.root)
	} else {
		fmt.Fprintf(&b, initialNginx, p.nginxPass())
	}
	return b.String()
}

const initialListen = `
# Where nginx connects. The folder must be there, and nginx must be able to reach it.
# listen "unix:/run/%s/app.sock" {
#   protocol = "%[2]s"
#   mode     = "0660"
#   group    = "www-data" # nginx's group
# }
listen "127.0.0.1:8000" {
  protocol = "%[2]s"
}
`

const initialRest = `
# workers = 2 * cpus() # one per CPU without this line
`

const initialAdmin = `
# Metrics, health and a status page.
# admin "127.0.0.1:9090" {}
`

// initialPHP is a site of scripts: the location that fits lies with the scripts.
const initialPHP = `
# nginx has to say which script it wants. In its server block:
#
#   root  %s;
#   index index.php;
#   location / { try_files $uri $uri/ /index.php$is_args$args; }
#   location ~ \.php$ {
#     include       fastcgi_params;
#     fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
#     fastcgi_pass  127.0.0.1:8000;
#   }
`

const initialNginx = `
# The site in front: "appd nginx" prints it, "appd nginx --test" lets nginx check it.
nginx {
  listen   = "8080"
  protocol = "%s"
  # manage = true # appd runs this nginx itself
  # static "/static/" { alias = "/srv/app/public/" }
}
`
