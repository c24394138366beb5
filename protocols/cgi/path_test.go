package cgi

import "testing"

// vars makes a head of params from pairs.
func vars(p Protocol, pairs ...string) *Head {
	h := NewHead(p, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		h.Vars = append(h.Vars, Var{pairs[i], pairs[i+1]})
	}
	return h
}

// The forms in which fronts give a path, as measured on them, and what becomes of
// each under a mount.
func TestPath(t *testing.T) {
	modifier30 := vars(UWSGI, "SCRIPT_NAME", "/shop", "PATH_INFO", "/shop/a")
	modifier30.Modifier1 = 30
	http := func(target string) *Head { return &Head{Protocol: HTTP, Method: "GET", Target: target} }
	tests := []struct {
		name         string
		h            *Head
		m            Mount
		script, info string
	}{
		{"nginx fastcgi_params", vars(FastCGI, "SCRIPT_NAME", "/shop/a", "DOCUMENT_URI", "/shop/a", "REQUEST_URI", "/shop/a?b"), Mount{}, "", "/shop/a"},
		{"nginx fastcgi_params, mounted", vars(FastCGI, "SCRIPT_NAME", "/shop/a", "REQUEST_URI", "/shop/a?b"), Mount{Prefix: "/shop"}, "/shop", "/a"},
		{"nginx fastcgi_params, the mount itself", vars(FastCGI, "SCRIPT_NAME", "/shop"), Mount{Prefix: "/shop"}, "/shop", ""},
		{"nginx fastcgi_params, a longer name", vars(FastCGI, "SCRIPT_NAME", "/shopping"), Mount{Prefix: "/shop"}, "/shop", "/shopping"},
		{"nginx fastcgi_params, the mount with a slash", vars(FastCGI, "SCRIPT_NAME", "/shop/"), Mount{Prefix: "/shop"}, "/shop", "/"},
		{"nginx uwsgi_params", vars(UWSGI, "PATH_INFO", "/shop/a"), Mount{}, "", "/shop/a"},
		{"nginx uwsgi_params, mounted", vars(UWSGI, "PATH_INFO", "/shop/a"), Mount{Prefix: "/shop"}, "/shop", "/a"},
		{"nginx, split by hand", vars(FastCGI, "SCRIPT_NAME", "/shop", "PATH_INFO", "/a"), Mount{}, "/shop", "/a"},
		{"nginx, split by hand and mounted", vars(FastCGI, "SCRIPT_NAME", "/shop", "PATH_INFO", "/a"), Mount{Prefix: "/shop"}, "/shop", "/a"},
		{"nginx, set twice", vars(FastCGI, "SCRIPT_NAME", "/shop/a", "SCRIPT_NAME", "", "PATH_INFO", "/shop/a"), Mount{}, "", "/shop/a"},
		{"nginx, empty PATH_INFO", vars(FastCGI, "SCRIPT_NAME", "/a", "PATH_INFO", ""), Mount{}, "", "/a"},
		{"nginx, modifier 30", modifier30, Mount{}, "/shop", "/a"},
		{"Apache, whole path", vars(FastCGI, "SCRIPT_NAME", "/f/a%2Fb"), Mount{}, "", "/f/a%2Fb"},
		{"lighttpd, first segment split off", vars(FastCGI, "SCRIPT_NAME", "/f", "PATH_INFO", "/a/b"), Mount{}, "/f", "/a/b"},
		{"lighttpd, at the root", vars(FastCGI, "SCRIPT_NAME", "/f", "PATH_INFO", "/a/b"), Mount{Prefix: "/"}, "", "/f/a/b"},
		{"lighttpd, another mount", vars(FastCGI, "SCRIPT_NAME", "/f", "PATH_INFO", "/a/b"), Mount{Prefix: "/f/a"}, "/f/a", "/b"},
		{"HAProxy, path-info", vars(FastCGI, "SCRIPT_NAME", "/i.php", "PATH_INFO", "/a//../b"), Mount{}, "/i.php", "/a//../b"},
		{"Caddy without split", vars(FastCGI, "SCRIPT_NAME", "", "PATH_INFO", "/a"), Mount{}, "", "/a"},
		{"decoded once", vars(FastCGI, "SCRIPT_NAME", "/a%20b", "REQUEST_URI", "/a%2520b"), Mount{}, "", "/a%20b"},
		{"only REQUEST_URI", vars(UWSGI, "REQUEST_URI", "/a%20b?c"), Mount{}, "", "/a b"},
		{"nothing", vars(UWSGI), Mount{}, "", "/"},
		{"empty ones", vars(FastCGI, "SCRIPT_NAME", "", "PATH_INFO", "", "REQUEST_URI", ""), Mount{}, "", "/"},
		{"SCRIPT_NAME is a slash", vars(FastCGI, "SCRIPT_NAME", "/", "PATH_INFO", "/a"), Mount{}, "", "/a"},
		{"the root's own request", vars(FastCGI, "SCRIPT_NAME", "/"), Mount{}, "", "/"},
		{"without a slash", vars(FastCGI, "PATH_INFO", "a"), Mount{}, "", "/a"},
		{"from the URI", vars(FastCGI, "SCRIPT_NAME", "/a/b", "REQUEST_URI", "/a%2Fb?c"), Mount{FromURI: true}, "", "/a/b"},
		{"from the URI, mounted", vars(FastCGI, "SCRIPT_NAME", "/x", "REQUEST_URI", "/shop/a?c"), Mount{Prefix: "/shop", FromURI: true}, "/shop", "/a"},
		{"from an absolute URI", vars(FastCGI, "SCRIPT_NAME", "/x", "REQUEST_URI", "http://h/a?c"), Mount{FromURI: true}, "", "/a"},
		{"HTTP", http("/shop/a%20b?c"), Mount{}, "", "/shop/a b"},
		{"HTTP, mounted", http("/shop/a"), Mount{Prefix: "/shop"}, "/shop", "/a"},
		{"HTTP, the front took the mount away", http("/a"), Mount{Prefix: "/shop"}, "/shop", "/a"},
		{"HTTP, absolute", http("http://h/a?c"), Mount{}, "", "/a"},
		{"HTTP, absolute without path", http("http://h"), Mount{}, "", "/"},
		{"HTTP, star", http("*"), Mount{}, "", "*"},
	}
	for _, tt := range tests {
		var f Facts
		tt.h.Facts(&f)
		script, info, err := f.Path(tt.h, tt.m)
		if err != nil || script != tt.script || info != tt.info {
			t.Errorf("%s: %q, %q, %v; want %q, %q", tt.name, script, info, err, tt.script, tt.info)
		}
	}
}

func TestPathRefused(t *testing.T) {
	for _, h := range []*Head{
		{Protocol: HTTP, Method: "GET", Target: "/%zz"},
		{Protocol: HTTP, Method: "GET", Target: "/%4"},
		vars(UWSGI, "REQUEST_URI", "/%"),
	} {
		var f Facts
		h.Facts(&f)
		_, _, err := f.Path(h, Mount{})
		if e, ok := err.(*Error); !ok || e.Status != 400 {
			t.Errorf("%v: %v", h, err)
		}
	}
}
