// Command hello shows what a Go application behind appd sees and can do: which
// worker answers, over which protocol and with which params, an upload that is
// hashed while it arrives, an event stream and a WebSocket.
//
// It is an ordinary http.Handler. server.Run is the only line that knows appd;
// without appd the binary serves plain HTTP by itself.
package main

import (
	"embed"
	"io/fs"
	"log"
	"net/http"

	"golang.org/x/net/websocket"

	"github.com/appd-server/appd/server"
)

//go:embed assets
var assets embed.FS

func main() {
	if err := server.Run(routes()); err != nil {
		log.Fatal(err)
	}
}

func routes() http.Handler {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		log.Fatal(err) // the folder is compiled in
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page)
	mux.HandleFunc("GET /whoami", whoami)
	mux.HandleFunc("POST /upload", upload)
	mux.HandleFunc("GET /events", events)
	mux.Handle("GET /socket", websocket.Server{Handler: echo})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("you asked for it") })
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(files)))
	return mux
}
