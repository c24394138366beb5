// Paths that say what arrived.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/appd-server/appd/protocols"
	"github.com/appd-server/appd/server"
)

// Seen is a request as a handler sees it. Strings that may hold any byte are
// written quoted, because JSON has no bytes.
type Seen struct {
	Method, Path, RawPath, RequestURI, Query string
	Proto, Host, RemoteAddr                  string
	TLS                                      bool
	ContentLength                            int64
	TransferEncoding                         []string
	Header                                   http.Header
	Params                                   [][2]string
	Protocol                                 string
	BodyLen                                  int64
	BodySum                                  string
	BodyErr                                  string
	Slot, Generation, PID                    int
}

func look(r *http.Request) Seen {
	self := server.Self()
	s := Seen{
		Method: r.Method, Path: strconv.QuoteToASCII(r.URL.Path), RawPath: r.URL.RawPath, RequestURI: strconv.QuoteToASCII(r.RequestURI),
		Query: r.URL.RawQuery, Proto: r.Proto, Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS != nil,
		ContentLength: r.ContentLength, TransferEncoding: r.TransferEncoding, Header: r.Header,
		Slot: self.Slot, Generation: self.Generation, PID: os.Getpid(),
	}
	if head := protocols.Head(r); head != nil {
		s.Protocol = head.Protocol.String()
	}
	for _, p := range protocols.Params(r) {
		s.Params = append(s.Params, [2]string{p.Name, strconv.QuoteToASCII(p.Value)})
	}
	return s
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print("answer: ", err)
	}
}

// echo reads the body and says all that was seen.
func echo(w http.ResponseWriter, r *http.Request) {
	s := look(r)
	s.BodyLen, s.BodySum, s.BodyErr = digest(r)
	answer(w, s)
}

func whoami(w http.ResponseWriter, r *http.Request) {
	self := server.Self()
	answer(w, Seen{Slot: self.Slot, Generation: self.Generation, PID: os.Getpid()})
}

// digest reads the whole body.
func digest(r *http.Request) (n int64, sum, failed string) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		failed = err.Error()
	}
	return n, hex.EncodeToString(h.Sum(nil)), failed
}

// hash reads the body and says its digest and the most memory this process ever
// used, in bytes.
func hash(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	n, sum, failed := digest(r)
	note(r, "hash", fmt.Sprintf("%d %s", n, failed))
	answer(w, map[string]any{"Len": n, "Sum": sum, "Err": failed, "Peak": peak(), "Millis": time.Since(began).Milliseconds()})
}

// peak reads VmHWM, the high-water mark of resident memory.
func peak() (bytes int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	var kib int64
	for line := range linesOf(text) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return -1
}

// note writes what happened to the request whose query names a key.
func note(r *http.Request, event, text string) {
	key := r.URL.Query().Get("key")
	if key == "" {
		return
	}
	file := filepath.Join(os.Getenv("E2E_DIR"), key+"."+event)
	if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
		log.Print("note: ", err)
		return
	}
	if err := os.Rename(file+".new", file); err != nil {
		log.Print("note: ", err)
	}
}

// released waits until the test lets the request with this key go, or the request ends.
func released(r *http.Request, event string) bool {
	file := filepath.Join(os.Getenv("E2E_DIR"), r.URL.Query().Get("key")+"."+event)
	for {
		if _, err := os.Stat(file); err == nil {
			return true
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-r.Context().Done():
			return false
		}
	}
}

// number is a query value, or its default.
func number(r *http.Request, name string, def int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return n
	}
	return def
}
