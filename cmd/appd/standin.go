// The stand-in: what answers in development when the application does not run. appd
// starts its own binary as the worker.

package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/appd-server/appd/server"
	"github.com/appd-server/appd/server/dev"
)

// standInVerb is the hidden verb that starts the stand-in.
const standInVerb = "__standin"

// standIn serves the failure in APPD_FAILURE: its first line says what failed, the
// others are the output of the compiler, the interpreter or the application.
func standIn() error {
	title, text, _ := strings.Cut(os.Getenv("APPD_FAILURE"), "\n")
	return server.Run(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Error(w, title+"\n"+text, http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set(dev.StandIn, "yes")
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, standInPage(title, text))
	}))
}

// standInPage is the failure for a browser.
func standInPage(title, text string) string {
	return fmt.Sprintf(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%[1]s</title>
<style>
body { margin: 0; padding: 6vh 5vw; background: #171a23; color: #e8eaf0; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; color: #ff8585; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 14px/1.5 ui-monospace, Menlo, Consolas, monospace; }
p { color: #9aa1b2; }
</style>
</head>
<body>
<h1>%[1]s</h1>
<pre>%[2]s</pre>
<p>The application does not run. This page loads anew by itself when it does.</p>
</body>
</html>
`, html.EscapeString(title), html.EscapeString(text))
}
