package uwsgi

import (
	"bytes"
	"slices"
	"testing"

	"github.com/appd-server/appd/internal/golden"
	"github.com/appd-server/appd/protocols/cgi"
)

// FuzzCodec feeds anything, whole and cut, with chunked bodies or without, and expects
// the same; a packet whose vars all have names is encoded to the same bytes.
func FuzzCodec(f *testing.F) {
	for _, p := range golden.Load(f, "testdata/*.txtar") {
		f.Add(p.Wire, 10, false)
	}
	post := packet(0, "REQUEST_METHOD", "POST", "PATH_INFO", "/", "HTTP_TRANSFER_ENCODING", "chunked")
	f.Add(append(post, "5\r\nhello\r\n0\r\n\r\n"...), 80, true)
	f.Fuzz(func(t *testing.T, wire []byte, cut int, chunked bool) {
		whole, cutUp := &recorder{}, &recorder{}
		codec := NewCodec(cgi.Limits{})
		codec.Chunked = chunked
		err := feedAll(codec, whole, wire)
		codec.Reset()
		cutErr := feedAll(codec, cutUp, wire, max(0, min(cut, len(wire))))
		if whole.String() != cutUp.String() || !bytes.Equal(whole.reply, cutUp.reply) || (err == nil) != (cutErr == nil) {
			t.Fatalf("cut at %d:\n%s\n%v\nwhole:\n%s\n%v", cut, cutUp, cutErr, whole, err)
		}
		if whole.head == nil {
			return
		}
		again, err := AppendRequest(nil, whole.head.Modifier1, whole.head.Vars, nil)
		if err != nil {
			t.Fatal(err)
		}
		size := headerLen + int(wire[1]) + int(wire[2])<<8
		if len(again) == size && !bytes.Equal(again[:3], wire[:3]) || len(again) == size && !bytes.Equal(again[4:], wire[4:size]) {
			t.Fatalf("got %x\nwant %x", again, wire[:size])
		}
		second := &recorder{}
		if feedAll(NewCodec(cgi.Limits{}), second, again); second.head == nil || !slices.Equal(second.head.Vars, whole.head.Vars) {
			t.Fatalf("decoded again: %+v, want %+v", second.head, whole.head)
		}
	})
}

// FuzzClient reads anything as an answer.
func FuzzClient(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 304 Not Modified\n\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		var c Client
		if err := c.Feed(p); err != nil {
			t.Fatal(err)
		}
		if a, err := c.EOF(); err == nil && (a.Head.Status < 100 || a.Head.Status > 999) {
			t.Fatalf("status %d", a.Head.Status)
		}
	})
}
