// The head of an answer: what WriteHeader was told, turned into what the codec writes.

//go:build linux

package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/appd-server/appd/protocols/cgi"
)

// WriteHeader implements http.ResponseWriter. Informational answers are dropped:
// on FastCGI and uwsgi, and by older fronts, they would be taken for the final one.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic("server: invalid status " + strconv.Itoa(status))
	}
	switch {
	case w.hijacked:
		w.server.log.Printf("WriteHeader on a hijacked connection")
		return
	case w.wrote:
		w.server.log.Printf("superfluous WriteHeader(%d) after %d, %s %q", status, w.status, w.req.Method, w.req.URL.Path)
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		return
	}
	w.wrote = true
	w.status = status
	w.noBody = w.req != nil && w.req.Method == "HEAD" || status == 204 || status == 304 || status == 101
	w.freeze()
}

// freeze turns the header into the head of the answer; later changes do not count.
func (w *response) freeze() {
	h := &w.head
	h.Status = w.status
	h.Fields = w.fields[:0]
	h.ContentLength = cgi.UnknownLength
	h.NoBody = w.noBody
	h.Note = w.note
	var room [16]string
	names := room[:0]
	for name := range w.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		for _, v := range w.header[name] {
			switch {
			case len(name) == len("Content-Length") && strings.EqualFold(name, "Content-Length"):
				if n, ok := cgi.ParseLength(strings.TrimSpace(v)); ok && w.length < 0 {
					w.length = n
				}
				continue
			case name == "Connection":
				h.Close = h.Close || httpguts.HeaderValuesContainsToken(w.header[name], "close")
			}
			h.Fields = append(h.Fields, cgi.Var{Name: name, Value: v})
		}
	}
	if _, ok := w.header["Date"]; !ok {
		h.Fields = append(h.Fields, cgi.Var{Name: "Date", Value: date(time.Now())})
	}
	h.ContentLength = w.length
	h.NoLength = w.status == 204 || w.length < 0
	if w.status == 304 && w.length >= 0 {
		h.Fields = append(h.Fields, cgi.Var{Name: "Content-Length", Value: strconv.FormatInt(w.length, 10)})
	}
}

// note keeps what the codec has to say of the head: it does so while the connection
// is locked, and a log may block.
func (w *response) note(text string) { w.notes = append(w.notes, text) }

type stamp struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[stamp]

// date is the value of Date, made anew once a second.
func date(now time.Time) string {
	second := now.Unix()
	if d := lastDate.Load(); d != nil && d.second == second {
		return d.text
	}
	d := &stamp{second, now.UTC().Format(http.TimeFormat)}
	lastDate.Store(d)
	return d.text
}

// sniff declares the type of a body, which begins with p and goes on with more, if
// the handler did not.
func (w *response) sniff(p, more []byte) {
	if w.sent || len(p)+len(more) == 0 {
		return
	}
	if _, ok := w.header["Content-Type"]; ok {
		return
	}
	if len(w.header["Content-Encoding"]) > 0 && w.header["Content-Encoding"][0] != "" {
		return
	}
	const looked = 512 // as far as DetectContentType looks
	if len(p) == 0 {
		p = more
	} else if len(p) < looked {
		p = append(slices.Clip(p), more[:min(len(more), looked)]...)
	}
	w.head.Fields = append(w.head.Fields, cgi.Var{Name: "Content-Type", Value: http.DetectContentType(p)})
}
