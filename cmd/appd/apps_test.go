package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/appd-server/appd/server"
)

// apps are the applications that the scripts run. A script that needs an app to
// change its mind writes a file that the app looks at.
var apps = map[string]func(){
	"hello":        hello,
	"boot-crasher": bootCrasher,
	"never-ready":  neverReady,
	"stubborn":     stubborn,
	"forker":       forker,
	"raw":          raw,
	"chooser":      chooser,
}

// serve runs a handler and tells the exit status as a program should.
func serve(h http.HandlerFunc) {
	if err := server.Run(h); err != nil {
		log.Fatal(err)
	}
}

// hello is well-behaved, and does what the path asks for.
func hello() {
	if text, err := os.ReadFile("refuse"); err == nil {
		fmt.Fprintf(os.Stderr, "refused: %s", text)
		os.Exit(1)
	}
	fmt.Println("hello starts")
	serve(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/crash":
			os.Exit(9)
		case "/hang":
			hang()
		case "/flood":
			for i := range 2000 {
				fmt.Fprintf(os.Stderr, "flood line %d %s\n", i, strings.Repeat("x", 200))
			}
		case "/body":
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprintln(w, "read", n, err)
			return
		}
		fmt.Fprintf(w, "pid=%d worker=%s generation=%s greeting=%s args=%s\n",
			os.Getpid(), os.Getenv("APPD_WORKER_ID"), os.Getenv("APPD_GENERATION"), os.Getenv("GREETING"), strings.Join(os.Args[1:], ","))
	})
}

// hang does as long as the file is there.
func hang() {
	for fileExists("hang") {
		time.Sleep(10 * time.Millisecond)
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// bootCrasher says why and ends.
func bootCrasher() {
	fmt.Fprintln(os.Stderr, "cannot reach the database")
	os.Exit(4)
}

// neverReady runs, but never says that it is ready.
func neverReady() { select {} }

// stubborn serves, ignores TERM and never finishes a request to /forever.
func stubborn() {
	signal.Ignore(syscall.SIGTERM)
	serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/forever" {
			select {}
		}
		fmt.Fprintln(w, "pid", os.Getpid())
	})
}

// forker leaves a child behind that outlives it.
func forker() {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		log.Fatal(err)
	}
	serve(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "pid=%d child=%d\n", os.Getpid(), child.Process.Pid)
	})
}

// raw is a program of another world: it takes its socket by LISTEN_FDS.
func raw() {
	if os.Getenv("LISTEN_PID") != fmt.Sprint(os.Getpid()) {
		log.Fatalf("LISTEN_PID=%s in process %d", os.Getenv("LISTEN_PID"), os.Getpid())
	}
	f := os.NewFile(3, "listener")
	l, err := netFileListener(f)
	if err != nil {
		log.Fatal(err)
	}
	var body bytes.Buffer
	fmt.Fprintf(&body, "raw pid=%d\n", os.Getpid())
	log.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body.Bytes()) })))
}

// chooser sets in code what a person may override.
func chooser() {
	s := server.Server{
		Handler:          http.NotFoundHandler(),
		Timeout:          7 * time.Second,
		KeepAlive:        20 * time.Second,
		LimitRequestBody: 1 << 20,
	}
	if err := s.Run(); err != nil {
		log.Fatal(err)
	}
}
