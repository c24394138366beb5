// What stays open: an event stream and a WebSocket. Both say goodbye when their
// worker has to leave.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/net/websocket"

	"github.com/appd-server/appd/server"
)

// leaving is closed when this worker starts to drain.
var leaving = make(chan struct{})

func init() { server.OnDrain(func() { close(leaving) }) }

// events sends the time, until the browser or the worker leaves.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx passes every event on at once
	flush := http.NewResponseController(w).Flush
	self, err := json.Marshal(factsOf(r))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "event: worker\ndata: %s\n\n", self)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for now := time.Now(); ; {
		fmt.Fprintf(w, "data: %s\n\n", now.Format(time.TimeOnly))
		if flush() != nil {
			return
		}
		select {
		case now = <-tick.C:
		case <-r.Context().Done():
			return
		case <-leaving:
			io.WriteString(w, "event: goodbye\ndata: another worker takes over\n\n")
			return
		}
	}
}

// echo sends every message back, with the worker that got it.
func echo(conn *websocket.Conn) {
	who := factsOf(conn.Request())
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-leaving:
			conn.Close()
		case <-over:
		}
	}()
	for {
		var text string
		if websocket.Message.Receive(conn, &text) != nil {
			return
		}
		if websocket.Message.Send(conn, fmt.Sprintf("worker %d over %s heard: %s", who.Worker, who.Protocol, text)) != nil {
			return
		}
	}
}
