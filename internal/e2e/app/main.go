// The paths of the application.

package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/websocket"

	"github.com/appd-server/appd/server"
)

func main() {
	switch os.Getenv("E2E_BOOT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "e2e: this binary exits at boot")
		os.Exit(7)
	case "slow":
		time.Sleep(2 * time.Second)
	case "panic":
		panic("e2e: this binary panics at boot")
	case "hang":
		select {}
	}
	mux := http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"/echo": echo, "/echo/": echo, "/whoami": whoami, "/hash": hash, "/download": download,
		"/early": early, "/unread": unread, "/hang": hang, "/stream": stream,
		"/headers": headers, "/cookies": cookies, "/status": status, "/short": short, "/long": long,
		"/panic": panics, "/panic-late": panicsLate, "/abort": aborts, "/accel": accel,
		"/slow": slow, "/burn": burn, "/exit": exits, "/hints": hints, "/leak": leak,
		"/stuck": stuck, "/obey": obey, "/patient": patient, "/crash": crash, "/suicide": suicide, "/forks": forks, "/floods": floods,
		"/self": self, "/farewell": farewell,
	} {
		mux.HandleFunc(pattern, handler)
	}
	mux.Handle("/ws", websocket.Server{Handler: func(c *websocket.Conn) { mirror(c) }})
	if err := server.Run(mux); err != nil {
		log.Fatal(err)
	}
}
