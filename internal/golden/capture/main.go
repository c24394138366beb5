// One connection: read it to its end, answer it, write it down.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"slices"
	"time"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/protocols/fastcgi"
	"github.com/appd-server/appd/protocols/uwsgi"
)

var (
	protocol = flag.String("protocol", "fastcgi", "fastcgi or uwsgi")
	socket   = flag.String("socket", "", "the Unix socket to listen on")
	comment  = flag.String("comment", "", "which front, which version, set up how")
	out      = flag.String("o", "", "the file to write")
	requests = flag.Int("requests", 0, "how many requests to wait for; 0 waits for the front to close")
	warm     = flag.Int("warm", 0, "how many requests to answer at once before -hold counts")
	hold     = flag.Int("hold", 1, "answer only when so many requests are there, to see them interleaved")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("capture: ")
	flag.Parse()
	ln, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chmod(*socket, 0o666); err != nil { // the front runs as somebody else
		log.Fatal(err)
	}
	ln.(*net.UnixListener).SetDeadline(time.Now().Add(30 * time.Second))
	conn, err := ln.Accept()
	if err != nil {
		log.Fatal(err)
	}
	ln.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	wire, text, err := record(conn)
	conn.Close()
	if err != nil {
		log.Printf("the connection ended with: %v", err)
	}
	hex := golden.FastCGI(wire)
	if *protocol == "uwsgi" {
		hex = golden.UWSGI(wire)
	}
	note := fmt.Sprintf("%s\nCaptured on %s.", *comment, time.Now().Format(time.DateOnly))
	if err := os.WriteFile(*out, golden.Format(note, hex, text), 0o644); err != nil {
		log.Fatal(err)
	}
}

// record reads the connection to its end and answers what it finds.
func record(conn net.Conn) (wire []byte, text string, err error) {
	var codec cgi.Codec = fastcgi.NewCodec(cgi.Limits{})
	if *protocol == "uwsgi" {
		codec = uwsgi.NewCodec(cgi.Limits{})
	}
	r := new(golden.Recorder)
	buf := make([]byte, 64<<10)
	fed, answered, sent := 0, 0, 0
	for *requests == 0 || answered < *requests {
		n, err := conn.Read(buf)
		wire = append(wire, buf[:n]...)
		if err != nil {
			if eof := codec.EOF(r); eof != nil || errors.Is(err, io.EOF) {
				err = eof
			}
			return wire, r.String(), err
		}
		k, err := codec.Feed(wire[fed:], r)
		if fed += k; err != nil {
			conn.Write(r.Replies[sent:])
			return wire, r.String(), err
		}
		reply := r.Replies[sent:]
		sent = len(r.Replies)
		if n := complete(r); n > answered && (n <= *warm || n >= answered+*hold) {
			for _, q := range r.Requests[answered:] {
				reply = codec.AppendAnswer(slices.Clip(reply), q.ID, answer(), []byte("recorded\n"), true)
				answered++
			}
		}
		if _, err := conn.Write(reply); err != nil {
			return wire, r.String(), err
		}
		if answered > 0 && !codec.KeepAlive() {
			conn.(*net.UnixConn).CloseWrite()
		}
	}
	return wire, r.String(), nil
}

// complete counts the requests whose body is there.
func complete(r *golden.Recorder) (n int) {
	for _, q := range r.Requests {
		if q.End {
			n++
		}
	}
	return n
}

func answer() *cgi.AnswerHead {
	return &cgi.AnswerHead{
		Status:        200,
		Fields:        []cgi.Var{{Name: "Content-Type", Value: "text/plain"}},
		ContentLength: int64(len("recorded\n")),
	}
}
