// appd nginx: the site for the configuration, and nginx's own opinion of it.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/config"
	"github.com/appd-server/appd/nginx"
)

var nginxVerb = verb{
	name: "nginx", args: "[APP]", app: true,
	summary: "print a complete nginx site for this application",
	more: `The site suits a file in /etc/nginx/sites-enabled. What it holds is said by the nginx blocks of appd.hcl;
without one a site on port 80 is written.`,
	flags: func(f *pflag.FlagSet) { f.Bool("test", false, "Run nginx -t on it instead of printing it.") },
	run: func(in *invocation) int {
		c, _, err := in.load()
		if err != nil {
			return usage(err)
		}
		sites := sites(c)
		if len(sites) == 0 {
			return usage(errors.New("there is no address that nginx could pass to: listen on a path, `listen \"unix:app.sock\" {}`, or on a port"))
		}
		if test, _ := in.flags.GetBool("test"); test {
			if err := nginx.Test(context.Background(), "", sites...); err != nil {
				return fail(err)
			}
			fmt.Println("nginx takes it")
			return exitDone
		}
		text, err := nginx.Render(sites...)
		if err != nil {
			return usage(err)
		}
		if _, err := os.Stdout.Write(text); err != nil {
			return fail(err)
		}
		return exitDone
	},
}

// sites turns nginx blocks into sites.
func sites(c *config.Config) (all []nginx.Site) {
	for i, n := range c.NginxOrDefault() {
		name := c.App.Name
		if i > 0 {
			name = fmt.Sprintf("%s_%d", name, i+1)
		}
		all = append(all, site(c, n, name))
	}
	return all
}

func site(c *config.Config, n *config.Nginx, name string) nginx.Site {
	s := nginx.Site{
		Name:               name,
		Listen:             n.Listen,
		ServerName:         n.ServerName,
		Protocol:           n.Protocol,
		Upstream:           n.Upstream,
		Mount:              c.Worker.Mount,
		KeepAlive:          n.KeepAlive,
		Timeout:            time.Duration(c.Worker.Timeout),
		Idle:               time.Duration(c.Worker.KeepAlive),
		MaxBody:            c.Worker.LimitBody,
		NoBuffering:        !n.Buffering,
		NoRequestBuffering: !n.RequestBuffering,
		Include:            n.Include,
	}
	for _, st := range n.Static {
		s.Static = append(s.Static, nginx.Static{Prefix: st.Prefix, Root: st.Root, Alias: st.Alias, Internal: st.Internal, Expires: st.Expires})
	}
	return s
}
