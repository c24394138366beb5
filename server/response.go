// The answer of a handler: gathered, and sent in one piece if it is small.

//go:build linux

package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/appd-server/appd/internal/eventloop"
	"github.com/appd-server/appd/protocols/cgi"
)

const (
	small   = 8 << 10  // bytes of an answer that are gathered
	backlog = 64 << 10 // bytes that may wait for the front before a handler does
	large   = 1 << 20  // bytes that are given to the loop at once, which copies what the socket does not take
)

var smalls = sync.Pool{New: func() any { return new([small]byte) }}

// response is the http.ResponseWriter of every protocol.
type response struct {
	x      *eventloop.Exchange
	server *instance
	req    *http.Request

	header http.Header
	head   cgi.AnswerHead
	fields [12]cgi.Var

	wrote    bool         // WriteHeader was called
	sent     bool         // the head was given to the loop
	noBody   bool         // HEAD, 204, 304
	ended    bool         // the end was given
	hijacked bool         // somebody else has the connection
	tooLarge bool         // the body went over its limit
	broken   bool         // the answer could not be completed
	status   int          // as WriteHeader was told
	length   int64        // declared Content-Length
	written  int64        // bytes of the body so far
	memory   *[small]byte // of gathered
	gathered []byte       // not sent yet
	notes    []string     // about the head, for the log
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header, 4)
	}
	return w.header
}

// answer gives the loop a part of the answer.
func (w *response) answer(h *cgi.AnswerHead, p []byte, last bool) (pending int, err error) {
	pending, err = w.x.Answer(h, p, last)
	for _, text := range w.notes {
		w.server.log.Printf("%s (%s %q)", text, w.req.Method, w.req.URL.Path)
	}
	w.notes = nil
	return pending, err
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) { return write(w, p) }

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) {
	if len(s) <= small-len(w.gathered) {
		return write(w, s)
	}
	return write(w, []byte(s))
}

func write[T string | []byte](w *response, p T) (int, error) {
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	n := len(p)
	switch {
	case n == 0:
		return 0, nil
	case w.status == 204 || w.status == 304 || w.status == 101:
		return 0, http.ErrBodyNotAllowed
	case w.ended:
		return 0, eventloop.ErrClosed
	}
	var excess error
	if w.length >= 0 && w.written+int64(n) > w.length {
		n = int(w.length - w.written)
		p = p[:n]
		excess = http.ErrContentLength
	}
	w.written += int64(n)
	if w.noBody {
		if !w.sent && len(w.gathered) == 0 {
			w.gather([]byte(p[:min(n, 512)])) // for its type alone
		}
		return n, excess
	}
	if len(w.gathered)+n <= small {
		gather(w, p)
		return n, excess
	}
	if err := w.send([]byte(p)); err != nil {
		return 0, err
	}
	return n, excess
}

func (w *response) gather(p []byte) { gather(w, p) }

func gather[T string | []byte](w *response, p T) {
	if w.memory == nil {
		w.memory = smalls.Get().(*[small]byte)
		w.gathered = w.memory[:0]
	}
	w.gathered = append(w.gathered, p...)
}

func (w *response) free() {
	if w.memory != nil {
		smalls.Put(w.memory)
	}
	w.memory, w.gathered = nil, nil
}

// send gives the loop the head, what was gathered, and p, and waits while too much
// of the answer waits for the front.
func (w *response) send(p []byte) error {
	h, body := w.next(p)
	if len(body) > 0 && len(p) > 0 && h != nil && len(body)+len(p) <= 2*small {
		body, p = append(slices.Clip(body), p...), nil
	} else if len(body) == 0 {
		body = p[:min(len(p), large)]
		p = p[len(body):]
	}
	pending, err := w.answer(h, body, false)
	w.gathered = w.gathered[:0]
	for err == nil && len(p) > 0 {
		if err = w.wait(pending); err != nil {
			break
		}
		piece := p[:min(len(p), large)]
		p = p[len(piece):]
		pending, err = w.answer(nil, piece, false)
	}
	if err == nil {
		err = w.wait(pending)
	}
	return err
}

// wait has the handler wait while too much of the answer waits for the front.
func (w *response) wait(pending int) error {
	if pending <= backlog {
		return nil
	}
	return w.x.WaitOut(backlog)
}

// next returns the head, if it was not given yet, and what was gathered. more is
// what the body goes on with.
func (w *response) next(more []byte) (*cgi.AnswerHead, []byte) {
	body := w.gathered
	if w.sent {
		return nil, body
	}
	w.sniff(body, more)
	w.sent = true
	if w.noBody {
		body = nil
	}
	return &w.head, body
}

// FlushError sends what was gathered; http.ResponseController calls it.
func (w *response) FlushError() error {
	if w.hijacked {
		return http.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.ended {
		return eventloop.ErrClosed
	}
	if w.sent && len(w.gathered) == 0 {
		return w.x.Err()
	}
	return w.send(nil)
}

// Flush implements http.Flusher.
func (w *response) Flush() { w.FlushError() }

// finish ends the answer when the handler has returned.
func (w *response) finish() {
	if w.hijacked || w.ended {
		return
	}
	if !w.wrote {
		switch {
		case w.tooLarge:
			w.replace(http.StatusRequestEntityTooLarge)
			return
		case errors.Is(w.x.Err(), cgi.ErrTimeout), errors.Is(w.x.Err(), cgi.ErrDraining):
			w.replace(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
	w.ended = true
	h, body := w.next(nil)
	if h != nil && h.ContentLength < 0 && (!w.noBody || w.written > 0) && w.status != 204 && w.status != 304 && w.status != 101 {
		h.ContentLength, h.NoLength = w.written, false
		w.length = w.written
	}
	if w.length > w.written && !w.noBody {
		w.broken = true
		_, err := w.answer(h, body, false)
		if err == nil && w.x.Err() == nil { // else it was not the handler's choice
			line := fmt.Sprintf("handler declared %d bytes and wrote %d, %s %q", w.length, w.written, w.req.Method, w.req.URL.Path)
			w.server.log.Print(line)
			w.x.Stderr(line)
		}
		w.x.Break()
	} else {
		_, err := w.answer(h, body, true)
		w.broken = err != nil
	}
	w.free()
}

// replace gives an answer of the server's own instead of the handler's, of which
// nothing was sent.
func (w *response) replace(status int) {
	text := http.StatusText(status) + "\n"
	w.ended, w.sent, w.wrote, w.status = true, true, true, status
	w.head = cgi.AnswerHead{
		Status: status, ContentLength: int64(len(text)), Close: status == http.StatusRequestEntityTooLarge,
		Fields: append(w.fields[:0], cgi.Var{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
			cgi.Var{Name: "X-Content-Type-Options", Value: "nosniff"}, cgi.Var{Name: "Date", Value: date(time.Now())}),
		NoBody: w.x.Head.WantsNoBody(),
	}
	body := []byte(text)
	if w.head.NoBody {
		body = nil
	}
	w.x.Answer(&w.head, body, true)
	w.free()
}

// final is the status for the hooks, 0 for an answer that was broken off.
func (w *response) final() int {
	if w.broken || !w.wrote && !w.hijacked {
		return 0
	}
	return w.status
}

// SetReadDeadline bounds reading the body; http.ResponseController calls it.
func (w *response) SetReadDeadline(t time.Time) error { return w.x.SetReadDeadline(t) }

// SetWriteDeadline bounds writing the answer, and is the request's own timeout: the
// zero time gives it all the time in the world.
func (w *response) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		w.x.SetTimeout(0)
	} else {
		w.x.SetTimeout(max(time.Until(t)+w.x.Elapsed(), 1))
	}
	return w.x.SetWriteDeadline(t)
}

// EnableFullDuplex does nothing: reading and answering never exclude each other.
func (w *response) EnableFullDuplex() error { return nil }

// ReadFrom implements io.ReaderFrom: regular files go out by sendfile(2).
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if n, err, done := w.sendFile(src); done {
		return n, err
	}
	return io.CopyBuffer(writerOnly{w}, src, make([]byte, 32<<10))
}

type writerOnly struct{ io.Writer }
