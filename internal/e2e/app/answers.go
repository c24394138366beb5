// Paths that answer in every way that is allowed, and some that are not.

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/net/websocket"
)

func linesOf(text []byte) iter.Seq[string] { return strings.Lines(string(text)) }

// early refuses an upload without reading a byte of it.
func early(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Early", "yes")
	http.Error(w, strings.Repeat("too large ", 20), http.StatusRequestEntityTooLarge)
}

// unread answers 200 with n bytes without reading the body.
func unread(w http.ResponseWriter, r *http.Request) {
	w.Write(bytes.Repeat([]byte{'u'}, number(r, "n", 12)))
}

// hang waits until the request is cancelled and notes why, and when; with
// talking=1 it writes all the while.
func hang(w http.ResponseWriter, r *http.Request) {
	note(r, "began", fmt.Sprint(time.Now().UnixMilli()))
	tick := make(<-chan time.Time)
	if number(r, "talking", 0) == 1 {
		tick = time.Tick(20 * time.Millisecond)
	}
	for limit := time.After(time.Minute); ; {
		select {
		case <-tick:
			io.WriteString(w, strings.Repeat("talk ", 200))
			http.NewResponseController(w).Flush()
			continue
		case <-r.Context().Done():
			note(r, "cancelled", fmt.Sprintf("%d %v", time.Now().UnixMilli(), context.Cause(r.Context())))
		case <-limit:
			note(r, "cancelled", "never")
		}
		return
	}
}

// stream sends n pieces, each after the first when the test lets it go: key=K.
func stream(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("sse") {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	if r.URL.Query().Has("accel") {
		w.Header().Set("X-Accel-Buffering", "no")
	}
	flush := http.NewResponseController(w).Flush
	for i := range number(r, "n", 5) {
		if i > 0 && !released(r, fmt.Sprint("piece-", i)) {
			note(r, "stream", "nobody waits any more")
			return
		}
		fmt.Fprintf(w, "data: piece %d\n\n", i)
		if err := flush(); err != nil {
			note(r, "stream", err.Error())
			return
		}
	}
}

// download sends mb mebibytes; with length=1 it says so before.
func download(w http.ResponseWriter, r *http.Request) {
	n := number(r, "mb", 1) << 20
	if number(r, "length", 1) == 1 {
		w.Header().Set("Content-Length", fmt.Sprint(n))
	}
	piece := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	for n > 0 {
		k, err := w.Write(piece[:min(n, len(piece))])
		if err != nil {
			note(r, "download", err.Error())
			return
		}
		n -= k
	}
}

// headers answers with one header line of n bytes.
func headers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Long", strings.Repeat("h", number(r, "n", 3000)))
	io.WriteString(w, "headers")
}

func cookies(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "one", Value: "1"})
	http.SetCookie(w, &http.Cookie{Name: "two", Value: "2"})
	w.Header().Add("Vary", "Accept")
	w.Header().Add("Vary", "Cookie")
	io.WriteString(w, r.Header.Get("Cookie"))
}

// status answers with a code, and a body even where none is allowed.
func status(w http.ResponseWriter, r *http.Request) {
	if loc := r.URL.Query().Get("location"); loc != "" {
		w.Header().Set("Location", loc)
	}
	w.WriteHeader(number(r, "code", 200))
	io.WriteString(w, "a body that may not be allowed")
}

// short declares more than it sends, long less.
func short(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "10")
	io.WriteString(w, "12345")
}

func long(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "3")
	io.WriteString(w, "12345")
}

func panics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Lost", "yes")
	panic("before the headers")
}

// panicsLate panics after n bytes have been flushed; with length=1 the length was declared.
func panicsLate(w http.ResponseWriter, r *http.Request) {
	if number(r, "length", 0) == 1 {
		w.Header().Set("Content-Length", "1000")
	}
	io.WriteString(w, "some of it")
	http.NewResponseController(w).Flush()
	panic("after the headers")
}

func aborts(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }

// accel lets the front send a file.
func accel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Accel-Redirect", "/protected/file.txt")
	w.Header().Set("X-Sendfile", "/etc/hostname")
	w.Header().Set("Content-Type", "text/x-accel")
	http.SetCookie(w, &http.Cookie{Name: "kept", Value: "yes"})
}

// slow waits ms milliseconds, or with key=K until the test lets it go, and reads the
// body afterwards.
func slow(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("key") {
		if !released(r, "go") {
			return
		}
	} else {
		select {
		case <-time.After(time.Duration(number(r, "ms", 100)) * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		log.Print("slow: ", err)
		return
	}
	fmt.Fprintf(w, "slow %d", n)
}

// burn keeps a CPU busy for ms milliseconds.
func burn(w http.ResponseWriter, r *http.Request) {
	for end := time.Now().Add(time.Duration(number(r, "ms", 20)) * time.Millisecond); time.Now().Before(end); {
		runtime.Gosched()
	}
	io.WriteString(w, "burnt")
}

func exits(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(os.Stderr, "e2e: leaving in the middle of a request")
	os.Exit(9)
}

// hints sends a 103 before its answer.
func hints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	io.WriteString(w, "after the hints")
}

var leaked [][]byte

// leak keeps mb mebibytes for ever.
func leak(w http.ResponseWriter, r *http.Request) {
	leaked = append(leaked, bytes.Repeat([]byte{1}, number(r, "mb", 10)<<20))
	fmt.Fprint(w, len(leaked))
}

// mirror sends every message back, text as text and bytes as bytes.
func mirror(c *websocket.Conn) {
	for {
		var text string
		if websocket.Message.Receive(c, &text) != nil || websocket.Message.Send(c, text) != nil {
			return
		}
	}
}
