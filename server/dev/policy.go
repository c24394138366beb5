// Content-Security-Policy: whether a page lets the script in.

package dev

import (
	"slices"
	"strings"
)

// admitted says whether every policy lets a script of the page's own origin run
// and connect to that origin, and the nonce that it needs for that. A policy is
// never weakened.
func admitted(policies []string) (nonce string, ok bool) {
	for _, header := range policies {
		for policy := range strings.SplitSeq(header, ",") {
			d := directives(policy)
			n, run := runs(first(d, "script-src-elem", "script-src", "default-src"))
			if !run || !connects(first(d, "connect-src", "default-src")) {
				return "", false
			}
			if n != "" {
				nonce = n
			}
		}
	}
	return nonce, true
}

// directives splits a policy. Of a directive written twice the first counts (CSP
// level 3, section 2.2.1).
func directives(policy string) map[string][]string {
	d := map[string][]string{}
	for part := range strings.SplitSeq(policy, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		if name := strings.ToLower(words[0]); d[name] == nil {
			d[name] = append([]string{}, words[1:]...)
		}
	}
	return d
}

// first returns the sources of the first of the directives that is there, nil
// when none is.
func first(d map[string][]string, names ...string) []string {
	for _, n := range names {
		if s := d[n]; s != nil {
			return s
		}
	}
	return nil
}

// runs says whether a script of our own origin may run, and with which nonce.
func runs(sources []string) (nonce string, ok bool) {
	if sources == nil {
		return "", true
	}
	for _, s := range sources {
		if n, found := strings.CutPrefix(s, "'nonce-"); found {
			return strings.TrimSuffix(n, "'"), true
		}
	}
	return "", !slices.Contains(sources, "'strict-dynamic'") && connects(sources)
}

// connects says whether the sources name our own origin.
func connects(sources []string) bool {
	return sources == nil || slices.Contains(sources, "'self'") || slices.Contains(sources, "*")
}
