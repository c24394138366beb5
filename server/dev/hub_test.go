package dev

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/appd-server/appd/protocols/cgi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// browser is an exchange that remembers what it was answered.
type browser struct {
	mu    sync.Mutex
	head  *cgi.AnswerHead
	text  strings.Builder
	ended bool
	abort func(error)
}

func (b *browser) Answer(h *cgi.AnswerHead, body []byte, last bool) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h != nil {
		b.head = h
	}
	b.text.Write(body)
	b.ended = b.ended || last
	return 0, nil
}

func (b *browser) OnAbort(f func(error)) { b.abort = f }

func (b *browser) got() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func get(uri string) *cgi.Head {
	return &cgi.Head{Protocol: cgi.FastCGI, Vars: []cgi.Var{
		{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "REQUEST_URI", Value: uri}, {Name: "HTTP_ACCEPT_ENCODING", Value: "gzip"},
	}}
}

func TestIntercept(t *testing.T) {
	h := NewHub(7, "")
	defer h.Close()
	page := get("/shop?x=/__appd/reload")
	if h.Intercept(page, &browser{}) {
		t.Error("the application's own page was taken away")
	}
	if requestField(page, "Accept-Encoding") != "" {
		t.Error("Accept-Encoding is still there")
	}
	b := &browser{}
	if !h.Intercept(get("/shop/__appd/reload.js?v=1"), b) || !b.ended || !strings.Contains(b.got(), "EventSource") {
		t.Errorf("script = %.40q", b.got())
	}
	if int64(b.text.Len()) != b.head.ContentLength {
		t.Error("the script's Content-Length is wrong")
	}
}

func TestStreams(t *testing.T) {
	h := NewHub(7, "")
	early := &browser{}
	if !h.Intercept(get("/__appd/reload"), early) {
		t.Fatal("the stream was not taken")
	}
	if want := "event: hello\ndata: {\"version\":7,\"edits\":0}\n\n"; early.got() != want {
		t.Errorf("stream = %q, want %q", early.got(), want)
	}
	if err := h.Tell(`{"event":"failure","title":"build failed","text":"main.go:3:1: x"}`); err != nil {
		t.Fatal(err)
	}
	late := &browser{}
	h.Intercept(get("/__appd/reload"), late)
	for name, b := range map[string]*browser{"early": early, "late": late} {
		if !strings.Contains(b.got(), "main.go:3:1: x") {
			t.Errorf("%s: the failure is not in %q", name, b.got())
		}
	}
	h.Tell(`{"event":"fixed"}`)
	h.Tell(`{"event":"css","paths":["a.css"]}`)
	fresh := &browser{}
	h.Intercept(get("/__appd/reload"), fresh)
	if want := "event: hello\ndata: {\"version\":7,\"edits\":1}\n\n"; fresh.got() != want {
		t.Errorf("after a mended failure and an edit the stream begins with %q, want %q", fresh.got(), want)
	}
	if !strings.Contains(early.got(), "event: css\ndata: {\"event\":\"css\",\"paths\":[\"a.css\"]}\n\n") {
		t.Errorf("stream = %q", early.got())
	}
	if h.Tell("{") == nil {
		t.Error("Tell took nonsense")
	}
	h.Close()
	h.Close()
	if !early.ended || !fresh.ended {
		t.Error("Close left streams open")
	}
	after := &browser{}
	h.Intercept(get("/__appd/reload"), after)
	if after.head.Status != 503 || !after.ended {
		t.Errorf("after Close: %+v", after.head)
	}
}

func TestGoneBrowsersAreForgotten(t *testing.T) {
	h := NewHub(1, "")
	defer h.Close()
	b := &browser{}
	h.Intercept(get("/__appd/reload"), b)
	b.abort(errors.New("hung up"))
	if len(h.streams) != 0 || !b.ended {
		t.Errorf("%d streams are kept, ended = %v", len(h.streams), b.ended)
	}
	b.ended = false
	b.abort(errors.New("again"))
	if b.ended {
		t.Error("the stream was ended twice")
	}
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(1, "")
		b := &browser{}
		h.Intercept(get("/__appd/reload"), b)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if n := strings.Count(b.got(), ": alive\n\n"); n != 3 {
			t.Errorf("%d comments in a minute, want 3", n)
		}
		h.Close()
	})
}
